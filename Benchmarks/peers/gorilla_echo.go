// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

// An echo server on gorilla/websocket (Debian): a goroutine for each connection, as its examples
// do it. With the argument publish every message goes to every connection, prepared once; with the
// files of a certificate and its key it speaks TLS.
package main

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"os"
	"sync"

	"github.com/gorilla/websocket"
)

var upgrader = websocket.Upgrader{CheckOrigin: func(*http.Request) bool { return true }}

type subscriber struct {
	connection *websocket.Conn
	writing    sync.Mutex
}

var (
	publishes   = len(os.Args) > 1 && os.Args[1] == "publish"
	subscribers = map[*subscriber]struct{}{}
	changing    sync.RWMutex
)

func publish(kind int, message []byte) error {
	prepared, err := websocket.NewPreparedMessage(kind, message)
	if err != nil {
		return err
	}
	changing.RLock()
	defer changing.RUnlock()
	for each := range subscribers {
		each.writing.Lock()
		each.connection.WritePreparedMessage(prepared)
		each.writing.Unlock()
	}
	return nil
}

func serve(writer http.ResponseWriter, request *http.Request) {
	connection, err := upgrader.Upgrade(writer, request, nil)
	if err != nil {
		return
	}
	defer connection.Close()
	if publishes {
		own := &subscriber{connection: connection}
		changing.Lock()
		subscribers[own] = struct{}{}
		changing.Unlock()
		defer func() {
			changing.Lock()
			delete(subscribers, own)
			changing.Unlock()
		}()
	}
	// One buffer for all messages of the connection; ReadMessage would make one for each.
	var message bytes.Buffer
	for {
		kind, reader, err := connection.NextReader()
		if err != nil {
			return
		}
		message.Reset()
		if _, err = message.ReadFrom(reader); err != nil {
			return
		}
		if publishes {
			err = publish(kind, message.Bytes())
		} else {
			err = connection.WriteMessage(kind, message.Bytes())
		}
		if err != nil {
			return
		}
	}
}

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Printf("listening on ws://%s\n", listener.Addr())
	if len(os.Args) == 3 {
		http.ServeTLS(listener, http.HandlerFunc(serve), os.Args[1], os.Args[2])
	} else {
		http.Serve(listener, http.HandlerFunc(serve))
	}
}
