// Package main is the other end of the interop tests of `noise`: the protocol of that crate over flynn/noise.
//
//	noise vectors                 prints the vectors of the crate
//	noise dial ADDRESS OPTIONS    dials, and does what the options say
//	noise listen OPTIONS          listens on loopback, prints {"address"}, takes one connection and does that
//
// It prints one line of JSON when it is done.
package main

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net"
	"os"
	"time"
)

// patience is how long it may take: what hangs ends the tests.
const patience = 60 * time.Second

// period is that of the pattern that is sent, as in the tests.
const period = 65521

type options struct {
	AppKey string `json:"appKey"`
	Seed   string `json:"seed"`
	// Whom to dial.
	Server string `json:"server"`
	// Sends back what comes instead of the pattern.
	Echo bool `json:"echo"`
	// So much of the pattern is sent, in frames of so much text.
	Bytes int `json:"bytes"`
	Frame int `json:"frame"`
	// Closes without a goodbye.
	Cut bool `json:"cut"`
	// Sends these bytes behind all as they are, and then only reads.
	Raw string `json:"raw"`
}

type half struct {
	Bytes  int    `json:"bytes"`
	Sha256 string `json:"sha256"`
}

type report struct {
	Peer     string `json:"peer,omitempty"`
	Sent     half   `json:"sent"`
	Received half   `json:"received"`
	// How the peer's direction ended: "goodbye", "cut" or "error".
	End string `json:"end,omitempty"`
	// Why there was no handshake.
	Failed string `json:"failed,omitempty"`
}

func main() {
	switch os.Args[1] {
	case "vectors":
		vectors()
	case "dial":
		o := parse(os.Args[3])
		conn, err := net.Dial("tcp", os.Args[2])
		check(err)
		check(conn.SetDeadline(time.Now().Add(patience)))
		s, err := dialed(conn, newIdentity(unhex(o.Seed)), unhex(o.Server), unhex(o.AppKey), rand.Reader)
		finish(conn, s, err, report{}, o)
	case "listen":
		o := parse(os.Args[2])
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		check(err)
		show(map[string]string{"address": listener.Addr().String()})
		check(listener.(*net.TCPListener).SetDeadline(time.Now().Add(patience)))
		conn, err := listener.Accept()
		check(err)
		check(conn.SetDeadline(time.Now().Add(patience)))
		s, client, err := accepted(conn, newIdentity(unhex(o.Seed)), unhex(o.AppKey), rand.Reader)
		finish(conn, s, err, report{Peer: hex.EncodeToString(client)}, o)
	}
}

// finish does what the options say, unless the handshake failed, and reports.
func finish(conn net.Conn, s *stream, err error, r report, o options) {
	if err != nil {
		conn.Close()
		r.Failed = err.Error()
		show(r)
		return
	}
	talk(s, &r, o)
	conn.Close()
	show(r)
}

func talk(s *stream, r *report, o options) {
	sent, received := sha256.New(), sha256.New()
	send := func(text []byte) {
		check(s.write(text))
		sent.Write(text)
		r.Sent.Bytes += len(text)
	}
	done := make(chan struct{})
	if o.Echo {
		close(done)
	} else {
		go func() {
			block := make([]byte, period)
			for p := range block {
				block[p] = byte(p*31 + p>>8)
			}
			for left := o.Bytes; left > 0; {
				at := (o.Bytes - left) % period
				count := o.Frame
				for _, most := range []int{left, period - at} {
					if count > most {
						count = most
					}
				}
				send(block[at : at+count])
				left -= count
			}
			end(s, o)
			close(done)
		}()
	}
	for r.End == "" {
		text, err := s.read()
		switch {
		case err == nil:
			received.Write(text)
			r.Received.Bytes += len(text)
			if o.Echo {
				send(text)
				check(s.out.Flush())
			}
		case errors.Is(err, io.EOF):
			r.End = "goodbye"
		case errors.Is(err, io.ErrUnexpectedEOF):
			r.End = "cut"
		default:
			r.End = "error"
		}
	}
	<-done
	if o.Echo {
		end(s, o)
	}
	r.Sent.Sha256 = hex.EncodeToString(sent.Sum(nil))
	r.Received.Sha256 = hex.EncodeToString(received.Sum(nil))
}

func end(s *stream, o options) {
	if !o.Cut && o.Raw == "" {
		check(s.write(nil))
	}
	_, err := s.out.Write(unhex(o.Raw))
	check(err)
	check(s.out.Flush())
	if o.Raw == "" {
		check(s.conn.(*net.TCPConn).CloseWrite())
	}
}

func parse(text string) (o options) {
	check(json.Unmarshal([]byte(text), &o))
	return o
}

func show(value any) { check(json.NewEncoder(os.Stdout).Encode(value)) }

func unhex(text string) []byte {
	bytes, err := hex.DecodeString(text)
	check(err)
	return bytes
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}
