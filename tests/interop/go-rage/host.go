package main

import (
	"crypto/ed25519"
	"encoding/hex"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/smartcontractkit/libocr/networking/ragedisco"
	"github.com/smartcontractkit/libocr/ragep2p"
	"github.com/smartcontractkit/libocr/ragep2p/types"
)

// hostOptions say how a host is to be.
type hostOptions struct {
	// "v1" is package ragep2p, "new" is package ragep2pnew, where libocr has it.
	Version string `json:"version"`
	// 32 bytes, hexadecimal.
	Seed string `json:"seed"`
	// Port 0 is a free one. Without any, one free port of loopback.
	Listen []string `json:"listen"`
	// The least time between two dials, 100 when it is not said.
	DialMillis int `json:"dialMillis"`
	Discover   struct {
		Static    addresses         `json:"static"`
		Ragedisco *discoveryOptions `json:"ragedisco"`
	} `json:"discover"`
}

type discoveryOptions struct {
	// 100 when it is not said.
	DeltaReconcileMillis int `json:"deltaReconcileMillis"`
	// Without any, where it listens.
	Announce []string       `json:"announce"`
	Groups   []groupOptions `json:"groups"`
}

// groupOptions describe a group. A host that is no oracle of it is a bootstrapper.
type groupOptions struct {
	Host uint64 `json:"host"`
	// 32 bytes, hexadecimal.
	Digest        string         `json:"digest"`
	Oracles       []types.PeerID `json:"oracles"`
	Bootstrappers addresses      `json:"bootstrappers"`
}

// host is one that runs, of either version.
type host struct {
	running
	// One of these is nil.
	table *table
	disco *ragedisco.Ragep2pDiscoverer
	gauge *prometheus.Registry
}

// running is a host of either package.
type running interface {
	Start() error
	Close() error
	ID() types.PeerID
	open(o streamOptions) (channel, error)
}

// setUp is what a host of either package is made of.
type setUp struct {
	pause      time.Duration
	keys       keyring
	listen     []string
	discoverer ragep2p.Discoverer
	log        logger
	gauge      *prometheus.Registry
}

var hosts = registry[*host]{kind: "host"}

// openHost answers with its number, its peer id and its addresses.
func openHost(id uint64, o hostOptions) (answer, error) {
	if len(o.Listen) == 0 {
		o.Listen = []string{"127.0.0.1:0"}
	}
	var h *host
	var listen []string
	// Another process may take a free port before the host does.
	for tries := 0; ; tries++ {
		var err error
		if listen, err = freePorts(o.Listen); err != nil {
			return nil, err
		}
		if h, err = newHost(o, listen); err != nil {
			return nil, err
		}
		if err = h.Start(); err == nil {
			break
		}
		if tries == 4 {
			return nil, err
		}
	}
	if o.Discover.Ragedisco != nil {
		for _, group := range o.Discover.Ragedisco.Groups {
			if err := h.join(group); err != nil {
				return nil, err
			}
		}
	}
	hosts.add(id, h)
	return answer{"host": id, "peer": h.ID(), "addresses": listen}, nil
}

func newHost(o hostOptions, listen []string) (*host, error) {
	keys, err := newKeyring(o.Seed)
	if err != nil {
		return nil, err
	}
	h := &host{gauge: prometheus.NewRegistry()}
	made := setUp{millis(o.DialMillis, 100), keys, listen, nil, logger{keys.id().String()}, h.gauge}
	if d := o.Discover.Ragedisco; d == nil {
		h.table = newTable(o.Discover.Static)
		made.discoverer = asDiscoverer(ragep2p.Discoverer.Start, h.table)
	} else {
		announce := d.Announce
		if len(announce) == 0 {
			announce = listen
		}
		h.disco = ragedisco.NewRagep2pDiscoverer(millis(d.DeltaReconcileMillis, 100), announce, nil, h.gauge)
		made.discoverer = h.disco
	}
	switch o.Version {
	case "v1":
		h.running, err = newOld(made)
	case "new":
		h.running, err = newModern(made)
	default:
		err = fmt.Errorf("there is no version %q", o.Version)
	}
	return h, err
}

// freePorts puts free ports in the place of zeros. A host takes a port 0 too, but does not tell which it got.
func freePorts(listen []string) ([]string, error) {
	chosen := make([]string, 0, len(listen))
	for _, address := range listen {
		if strings.HasSuffix(address, ":0") {
			listener, err := net.Listen("tcp", address)
			if err != nil {
				return nil, err
			}
			defer listener.Close()
			address = listener.Addr().String()
		}
		chosen = append(chosen, address)
	}
	return chosen, nil
}

// setAddresses changes where some peers are; an empty list forgets one.
func setAddresses(_ uint64, o struct {
	Host      uint64    `json:"host"`
	Addresses addresses `json:"addresses"`
}) (answer, error) {
	h, err := hosts.find(o.Host)
	if err != nil {
		return nil, err
	}
	if h.table == nil {
		return nil, fmt.Errorf("host %d finds its peers by ragedisco", o.Host)
	}
	h.table.set(o.Addresses)
	return nil, nil
}

func closeHost(_ uint64, o struct {
	Host uint64 `json:"host"`
}) (answer, error) {
	h, err := hosts.find(o.Host)
	if err != nil {
		return nil, err
	}
	begin := time.Now()
	err = h.Close()
	return answer{"millis": time.Since(begin).Milliseconds()}, err
}

// keyring signs with a key in memory.
type keyring struct{ key ed25519.PrivateKey }

func newKeyring(seed string) (keyring, error) {
	bytes, err := hex.DecodeString(seed)
	if err != nil || len(bytes) != ed25519.SeedSize {
		return keyring{}, fmt.Errorf("a seed is %d bytes, hexadecimal", ed25519.SeedSize)
	}
	return keyring{ed25519.NewKeyFromSeed(bytes)}, nil
}

func (k keyring) Sign(message []byte) ([]byte, error) { return ed25519.Sign(k.key, message), nil }

func (k keyring) PublicKey() types.PeerPublicKey {
	return types.PeerPublicKey(k.key.Public().(ed25519.PublicKey))
}

func (k keyring) id() types.PeerID { return types.PeerIDFromKeyring(k) }

// millis is that time, or another one when none is said.
func millis(said, otherwise int) time.Duration {
	if said == 0 {
		said = otherwise
	}
	return time.Duration(said) * time.Millisecond
}
