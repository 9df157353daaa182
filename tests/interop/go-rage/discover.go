package main

import (
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/smartcontractkit/libocr/ragep2p"
	"github.com/smartcontractkit/libocr/ragep2p/types"
)

// addresses tell where peers are: HOST:PORT.
type addresses map[types.PeerID][]types.Address

// table is what a host is told by hand.
type table struct {
	sync.Mutex
	known addresses
}

func newTable(known addresses) *table {
	t := &table{known: addresses{}}
	t.set(known)
	return t
}

func (t *table) set(some addresses) {
	t.Lock()
	defer t.Unlock()
	maps.Copy(t.known, some)
}

func (t *table) Close() error { return nil }

func (t *table) FindPeer(peer types.PeerID) ([]types.Address, error) {
	t.Lock()
	defer t.Unlock()
	return slices.Clone(t.known[peer]), nil
}

// started is a table as a Discoverer. H is the type of the host, which depends on the version of libocr. L is that of the
// logger, whose package cannot be imported.
type started[H, L any] struct{ *table }

func (started[H, L]) Start(H, types.PeerKeyring, L) error { return nil }

// asDiscoverer finds those types out from the method that takes them.
func asDiscoverer[H, L any](_ func(ragep2p.Discoverer, H, types.PeerKeyring, L) error, t *table) started[H, L] {
	return started[H, L]{t}
}

func addGroup(_ uint64, o groupOptions) (answer, error) {
	h, err := hosts.find(o.Host)
	if err != nil {
		return nil, err
	}
	return nil, h.join(o)
}

func removeGroup(_ uint64, o groupOptions) (answer, error) {
	h, err := hosts.find(o.Host)
	if err != nil {
		return nil, err
	}
	digest, err := o.digest()
	if err != nil {
		return nil, err
	}
	if h.disco == nil {
		return nil, fmt.Errorf("host %d does not run ragedisco", o.Host)
	}
	return nil, h.disco.RemoveGroup(digest)
}

func (h *host) join(o groupOptions) error {
	digest, err := o.digest()
	if err != nil {
		return err
	}
	if h.disco == nil {
		return fmt.Errorf("the host does not run ragedisco")
	}
	var bootstrappers []types.PeerInfo
	for peer, where := range o.Bootstrappers {
		bootstrappers = append(bootstrappers, types.PeerInfo{ID: peer, Addrs: where})
	}
	return h.disco.AddGroup(digest, o.Oracles, bootstrappers)
}

func (o groupOptions) digest() (digest [32]byte, err error) {
	bytes, err := hex.DecodeString(o.Digest)
	if err != nil || len(bytes) != len(digest) {
		return digest, fmt.Errorf("a digest is %d bytes, hexadecimal", len(digest))
	}
	return [32]byte(bytes), nil
}
