package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"reflect"

	"github.com/smartcontractkit/libocr/ragep2p/peeridhelper"
)

// seeds are of the peers of the vectors: two simple ones, and the first key of RFC 8032.
var seeds = map[string]string{
	"A": "1111111111111111111111111111111111111111111111111111111111111111",
	"B": "2222222222222222222222222222222222222222222222222222222222222222",
	"C": "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
}

// vectors prints what hosts of libocr put on the wire. All bytes are hexadecimal. Both versions must agree, where there
// are both.
func vectors() {
	v1 := computed("v1")
	if hasModern && !reflect.DeepEqual(v1, computed("new")) {
		panic("v1 and new do not send the same")
	}
	encoder := json.NewEncoder(os.Stdout)
	encoder.SetIndent("", "  ")
	check(encoder.Encode(v1))
}

func computed(version string) answer {
	peers, knocks, streams := answer{}, answer{}, answer{}
	for _, pair := range []string{"AB", "BA", "AC", "CA"} {
		dialler, acceptor := pair[:1], pair[1:]
		seen := listenTo(version, seeds[dialler], seeds[acceptor], []string{"echo/v1", "ragedisco/v1", "x"})
		keys, err := newKeyring(seeds[dialler])
		check(err)
		binary, err := keys.id().MarshalBinary()
		check(err)
		key := keys.PublicKey()
		peers[dialler] = answer{
			"seed": seeds[dialler], "key": hex.EncodeToString(key[:]), "binary": hex.EncodeToString(binary),
			"id": keys.id().String(), "certificate": hex.EncodeToString(seen.certificate),
		}
		knocks[dialler+" dials "+acceptor] = hex.EncodeToString(seen.knock)
		streams[dialler+" to "+acceptor] = seen.frames
	}
	return answer{"peers": peers, "knocks": knocks, "streams": streams, "signing": signing()}
}

// signing has what is signed for an application in a domain, around the length up to which the message is itself in
// there, with the signature of A.
func signing() []answer {
	keys, err := newKeyring(seeds["A"])
	check(err)
	all := []answer{}
	for _, one := range []struct{ domain, message string }{
		{"test/1", ""},
		{"test/1", "hello"},
		{"", "hello"},
		{"test/1", string(bytes.Repeat([]byte("z"), 1024))},
		{"test/1", string(bytes.Repeat([]byte("z"), 1025))},
	} {
		payload := peeridhelper.MakePeerIDSignatureDomainSeparatedPayload(one.domain, []byte(one.message))
		hash := sha256.Sum256(payload)
		signature, err := peeridhelper.NewDomainSeparatedPeerKeyring(one.domain, keys).Sign([]byte(one.message))
		check(err)
		all = append(all, answer{
			"domain": one.domain, "message": one.message, "length": len(payload),
			"sha256": hex.EncodeToString(hash[:]), "signature": hex.EncodeToString(signature),
		})
	}
	return all
}
