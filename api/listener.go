package api

import (
	"net"
	"net/netip"
	"sync"
)

// bounded is a listener that keeps no more than so many connections, and of one
// address no more than so many; what comes beyond is closed at once.
type bounded struct {
	net.Listener
	most, each int

	mu   sync.Mutex
	open int
	from map[netip.Addr]int
}

// Bound bounds the connections of a listener.
func Bound(l net.Listener, most, each int) net.Listener {
	return &bounded{Listener: l, most: most, each: each, from: make(map[netip.Addr]int)}
}

// Accept implements net.Listener.
func (b *bounded) Accept() (net.Conn, error) {
	for {
		c, err := b.Listener.Accept()
		if err != nil {
			return nil, err
		}
		ap, _ := netip.ParseAddrPort(c.RemoteAddr().String())
		if b.take(ap.Addr()) {
			return &counted{Conn: c, gone: sync.OnceFunc(func() { b.give(ap.Addr()) })}, nil
		}
		_ = c.Close()
	}
}

func (b *bounded) take(a netip.Addr) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.open >= b.most || b.from[a] >= b.each {
		return false
	}
	b.open++
	b.from[a]++
	return true
}

func (b *bounded) give(a netip.Addr) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.open--
	if b.from[a]--; b.from[a] == 0 {
		delete(b.from, a)
	}
}

// counted is a connection that tells when it is gone.
type counted struct {
	net.Conn
	gone func()
}

// Close implements net.Conn.
func (c *counted) Close() error {
	c.gone()
	return c.Conn.Close()
}
