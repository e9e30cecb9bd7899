// Go's net/http. Argument: port.
package main

import (
	"fmt"
	"hash/fnv"
	"io"
	"net/http"
	"os"
	"strconv"
	"sync"
)

func main() {
	var out sync.Mutex
	handler := func(writer http.ResponseWriter, request *http.Request) {
		body, err := io.ReadAll(request.Body)
		if err != nil {
			return // it broke off
		}
		sum := fnv.New32a()
		sum.Write(body)
		text := fmt.Sprintf("%s %s %d:%08x", request.Method, request.RequestURI, len(body), sum.Sum32())
		out.Lock()
		fmt.Println("SAW " + text)
		out.Unlock()
		writer.Header().Set("X-Saw", text)
		writer.Header().Set("Content-Length", strconv.Itoa(len(text)))
		io.WriteString(writer, text)
	}
	err := http.ListenAndServe("127.0.0.1:"+os.Args[1], http.HandlerFunc(handler))
	fmt.Fprintln(os.Stderr, err)
}
