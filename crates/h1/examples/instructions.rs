//! Parses one head many times, for an instruction counter:
//!
//! ```text
//! cargo build --release -p madang-h1 --example instructions
//! perf stat -e instructions:u target/release/examples/instructions browser 1000000
//! valgrind --tool=callgrind --toggle-collect='*RequestHead*parse*' target/release/examples/instructions browser 1000
//! ```
//!
//! Divide by the count. A run with count 0 is the cost of the program itself.

use std::hint::black_box;

use madang_h1::{Asked, BodyDecoder, BodyLength, Limits, RequestHead, ResponseHead};

const PLAIN: &[u8] = b"GET /api/orders/17 HTTP/1.1\r\n\
    Host: 127.0.0.1:8080\r\n\
    User-Agent: curl/8.14.1\r\n\
    Accept: */*\r\n\
    Accept-Encoding: gzip\r\n\
    Content-Type: text/plain\r\n\
    X-Request-Id: 7f1c2b9e\r\n\
    X-Tenant: blue\r\n\
    Connection: keep-alive\r\n\r\n";

const BROWSER: &[u8] = b"GET /api/orders/17?expand=lines HTTP/1.1\r\n\
    Host: shop.example:8080\r\n\
    User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\r\n\
    Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n\
    Accept-Language: en-US,en;q=0.5\r\n\
    Accept-Encoding: gzip, deflate, br\r\n\
    Cookie: session=0123456789abcdef0123456789abcdef\r\n\
    X-Request-Id: 7f1c2b9e-0c7e-4c5e-9d53-2f6f0a7f9a11\r\n\
    Connection: keep-alive\r\n\r\n";

const RESPONSE: &[u8] = b"HTTP/1.1 200 OK\r\n\
    Server: uvicorn\r\n\
    Date: Tue, 24 Nov 2026 13:00:00 GMT\r\n\
    Content-Type: application/json\r\n\
    Content-Length: 1024\r\n\
    Cache-Control: no-store\r\n\
    Connection: keep-alive\r\n\r\n";

const CHUNKS: &[u8] = b"400\r\n0123456789\r\n0\r\n\r\n";

fn main() {
    let mut arguments = std::env::args().skip(1);
    let what = arguments.next().unwrap_or_default();
    let count: u32 = arguments.next().and_then(|count| count.parse().ok()).unwrap_or(1);
    let limits = Limits::default();
    let (mut request, mut response) = (RequestHead::default(), ResponseHead::default());
    for _ in 0..count {
        match what.as_str() {
            "plain" => _ = black_box(request.parse(black_box(PLAIN), &limits)),
            "browser" => _ = black_box(request.parse(black_box(BROWSER), &limits)),
            "response" => _ = black_box(response.parse(black_box(RESPONSE), &limits, Asked::Other)),
            "chunked" => {
                let mut body = BodyDecoder::new(black_box(BodyLength::Chunked), &limits);
                _ = black_box(body.next(black_box(CHUNKS)));
            }
            _ => {}
        }
    }
    println!("{what} x {count}: plain {}, browser {}, response {} bytes", PLAIN.len(), BROWSER.len(), RESPONSE.len());
}
