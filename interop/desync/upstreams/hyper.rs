//! Hyper as an upstream of `desync.py`. Argument: port.

#![allow(clippy::disallowed_methods, reason = "nothing waits for its tasks: it is killed")]

use std::net::{Ipv4Addr, SocketAddr};

use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;

fn main() -> std::io::Result<()> {
    let port = std::env::args().nth(1).and_then(|port| port.parse().ok()).unwrap_or_default();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let listener = tokio::net::TcpListener::bind(address).await?;
        loop {
            let (stream, _) = listener.accept().await?;
            tokio::spawn(async move {
                let connection = hyper::server::conn::http1::Builder::new();
                match connection.serve_connection(TokioIo::new(stream), service_fn(answer)).await {
                    Err(error) if error.is_parse() => println!("BAD {error:?}"),
                    _ => {} // served, or it broke off
                }
            });
        }
    })
}

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, hyper::Error> {
    let (head, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    let hash = body.iter().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193));
    let text = format!("{} {} {}:{hash:08x}", head.method, head.uri, body.len());
    println!("SAW {text}");
    let mut response = Response::new(Full::new(Bytes::from(text.clone())));
    if let Ok(value) = text.parse() {
        response.headers_mut().insert("x-saw", value);
    }
    Ok(response)
}
