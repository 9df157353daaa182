package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"

	"github.com/flynn/noise"
)

// transcript is a whole connection with fixed randomness. All bytes are hexadecimal.
type transcript struct {
	AppKey          string `json:"app_key"`
	ClientSeed      string `json:"client_seed"`
	ServerSeed      string `json:"server_seed"`
	ClientEphemeral string `json:"client_ephemeral"`
	ServerEphemeral string `json:"server_ephemeral"`
	ClientKey       string `json:"client_key"`
	ServerKey       string `json:"server_key"`
	ClientStatic    string `json:"client_static"`
	ServerStatic    string `json:"server_static"`
	Prologue        string `json:"prologue"`
	// After the hellos, which the client signs.
	Hash   string   `json:"hash"`
	Proof  string   `json:"proof"`
	Hello1 string   `json:"hello_client"`
	Hello2 string   `json:"hello_server"`
	Auth   string   `json:"auth"`
	Accept string   `json:"accept"`
	Client halfWire `json:"client"`
	Server halfWire `json:"server"`
}

// halfWire is what one side sends after the handshake.
type halfWire struct {
	Key     string    `json:"key"`
	Frames  []message `json:"frames"`
	Goodbye string    `json:"goodbye"`
	// The frames from this nonce on, around the first and the second replacement of the key.
	Rekeys []rekeyed `json:"rekeys"`
}

type message struct {
	Text  string `json:"text"`
	Frame string `json:"frame"`
}

type rekeyed struct {
	Nonce  uint64    `json:"nonce"`
	Key    string    `json:"key"`
	Frames []message `json:"frames"`
	Next   string    `json:"next_key"`
}

// The app key of the main Secure Scuttlebutt network.
const ssb = "d4a1cb88a66f02f8db635ce26441cc5dac1b08420ceaac230839b755845a9ffb"

func vectors() {
	var all []transcript
	for i, texts := range [][][]byte{
		{[]byte("hello"), {0}, bytes.Repeat([]byte("noise"), 40)},
		{},
		{[]byte("a"), []byte("b"), []byte("c"), []byte("d")},
	} {
		name := func(of string) []byte {
			hash := sha256.Sum256(fmt.Appendf(nil, "noise %s %d", of, i))
			return hash[:]
		}
		appKey := name("app key")
		if i == 0 {
			appKey = unhex(ssb)
		}
		all = append(all, connection(appKey, name, texts))
	}
	encoder := json.NewEncoder(os.Stdout)
	encoder.SetIndent("", "  ")
	check(encoder.Encode(all))
}

func connection(appKey []byte, name func(string) []byte, texts [][]byte) transcript {
	client, server := newIdentity(name("client")), newIdentity(name("server"))
	ours, theirs := name("client ephemeral"), name("server ephemeral")
	a := begin(client, server.public, appKey, true, bytes.NewReader(ours))
	b := begin(server, server.public, appKey, false, bytes.NewReader(theirs))
	hello1, _, _, err := a.WriteMessage(nil, nil)
	check(err)
	_, _, _, err = b.ReadMessage(nil, hello1)
	check(err)
	hello2, _, _, err := b.WriteMessage(nil, nil)
	check(err)
	_, _, _, err = a.ReadMessage(nil, hello2)
	check(err)
	hash := append([]byte(nil), a.ChannelBinding()...)
	payload := proof(client, a)
	auth, sending, receiving, err := a.WriteMessage(nil, payload)
	check(err)
	accept, err := receiving.Encrypt(nil, nil, nil)
	check(err)
	x := hex.EncodeToString
	key := func(of *noise.CipherState) string { key := of.UnsafeKey(); return x(key[:]) }
	wire := func(of *noise.CipherState) (wire halfWire) {
		side := direction{of}
		frame := func(text []byte) message { return message{x(text), x(side.frame(text))} }
		wire.Key, wire.Frames = key(of), []message{}
		for _, text := range texts {
			wire.Frames = append(wire.Frames, frame(text))
		}
		goodbye := frame(nil)
		wire.Goodbye = goodbye.Frame
		for i := uint64(1); i <= 2; i++ {
			of.SetNonce(i*rekeyAfter - 1)
			r := rekeyed{Nonce: of.Nonce(), Key: key(of)}
			r.Frames = append(r.Frames, frame([]byte("before")), frame([]byte("after")))
			r.Next = key(of)
			wire.Rekeys = append(wire.Rekeys, r)
		}
		return wire
	}
	return transcript{
		x(appKey), x(name("client")), x(name("server")), x(ours), x(theirs),
		x(client.public), x(server.public), x(client.curved.Public), x(server.curved.Public),
		x(append([]byte(prologue), server.public...)), x(hash), x(payload),
		x(hello1), x(hello2), x(auth), x(accept), wire(sending), wire(receiving),
	}
}
