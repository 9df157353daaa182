package main

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha512"
	"errors"
	"io"
	"math/big"
	"net"

	"github.com/flynn/noise"
)

// The texts and lengths of the protocol.
const (
	prologue  = "tower-multiserver noise 1"
	signed    = "tower-multiserver noise client 1"
	helloLen  = 48
	authLen   = 160
	acceptLen = 16
)

var suite = noise.NewCipherSuite(noise.DH25519, noise.CipherChaChaPoly, noise.HashSHA256)

// identity is an Ed25519 key pair and its X25519 form.
type identity struct {
	sign   ed25519.PrivateKey
	public ed25519.PublicKey
	curved noise.DHKey
}

func newIdentity(seed []byte) identity {
	private := ed25519.NewKeyFromSeed(seed)
	public := private.Public().(ed25519.PublicKey)
	hash := sha512.Sum512(seed)
	secret := hash[:32]
	secret[0] &= 248
	secret[31] &= 127
	secret[31] |= 64
	return identity{private, public, noise.DHKey{Private: secret, Public: montgomery(public)}}
}

// montgomery is u = (1 + y) / (1 - y) modulo 2^255 - 19.
func montgomery(key []byte) []byte {
	p := new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 255), big.NewInt(19))
	little := append([]byte(nil), key...)
	little[31] &= 127
	y := new(big.Int).SetBytes(reversed(little))
	one := big.NewInt(1)
	divisor := new(big.Int).Sub(one, y)
	divisor.ModInverse(divisor.Mod(divisor, p), p)
	u := new(big.Int).Mul(new(big.Int).Add(one, y), divisor)
	return reversed(u.Mod(u, p).FillBytes(make([]byte, 32)))
}

func reversed(of []byte) []byte {
	back := make([]byte, len(of))
	for i, b := range of {
		back[len(of)-1-i] = b
	}
	return back
}

// begin makes the state of one side. server is the key that is dialed.
func begin(us identity, server, appKey []byte, isClient bool, random io.Reader) *noise.HandshakeState {
	config := noise.Config{
		CipherSuite:           suite,
		Random:                random,
		Pattern:               noise.HandshakeXK,
		Initiator:             isClient,
		Prologue:              append([]byte(prologue), server...),
		PresharedKey:          appKey,
		PresharedKeyPlacement: 0,
		StaticKeypair:         us.curved,
	}
	if isClient {
		config.PeerStatic = montgomery(server)
	}
	state, err := noise.NewHandshakeState(config)
	check(err)
	return state
}

// proof is what the client's third message carries.
func proof(us identity, state *noise.HandshakeState) []byte {
	text := append([]byte(signed), state.ChannelBinding()...)
	return append(append([]byte(nil), us.public...), ed25519.Sign(us.sign, text)...)
}

// dialed shakes hands as the client.
func dialed(conn net.Conn, us identity, server, appKey []byte, random io.Reader) (*stream, error) {
	state := begin(us, server, appKey, true, random)
	hello, _, _, err := state.WriteMessage(nil, nil)
	check(err)
	if _, err := conn.Write(hello); err != nil {
		return nil, err
	}
	answer, err := receive(conn, helloLen)
	if err != nil {
		return nil, err
	}
	if _, _, _, err := state.ReadMessage(nil, answer); err != nil {
		return nil, err
	}
	auth, sending, receiving, err := state.WriteMessage(nil, proof(us, state))
	check(err)
	if _, err := conn.Write(auth); err != nil {
		return nil, err
	}
	stream := newStream(conn, sending, receiving)
	accept, err := receive(conn, acceptLen)
	if err != nil {
		return nil, err
	}
	_, err = stream.receiving.open(accept)
	return stream, err
}

// accepted shakes hands as the server, and tells the client's key.
func accepted(conn net.Conn, us identity, appKey []byte, random io.Reader) (*stream, ed25519.PublicKey, error) {
	state := begin(us, us.public, appKey, false, random)
	hello, err := receive(conn, helloLen)
	if err != nil {
		return nil, nil, err
	}
	if _, _, _, err := state.ReadMessage(nil, hello); err != nil {
		return nil, nil, err
	}
	answer, _, _, err := state.WriteMessage(nil, nil)
	check(err)
	if _, err := conn.Write(answer); err != nil {
		return nil, nil, err
	}
	text := append([]byte(signed), state.ChannelBinding()...)
	auth, err := receive(conn, authLen)
	if err != nil {
		return nil, nil, err
	}
	payload, receiving, sending, err := state.ReadMessage(nil, auth)
	if err != nil {
		return nil, nil, err
	}
	client := ed25519.PublicKey(payload[:32])
	if !bytes.Equal(montgomery(client), state.PeerStatic()) || !ed25519.Verify(client, text, payload[32:]) {
		return nil, nil, errors.New("the client's proof is wrong")
	}
	stream := newStream(conn, sending, receiving)
	_, err = conn.Write(stream.sending.seal(nil))
	return stream, client, err
}

func receive(conn io.Reader, length int) ([]byte, error) {
	message := make([]byte, length)
	_, err := io.ReadFull(conn, message)
	return message, err
}
