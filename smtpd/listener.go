package smtpd

import (
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/smtpd/internal/guard"
)

// listener gives go-smtp connections with the guard around them, and turns away
// those over the limits.
type listener struct {
	net.Listener
	server   *Server
	implicit bool
	open     bool
}

// Accept implements net.Listener.
func (l *listener) Accept() (net.Conn, error) {
	s := l.server
	for {
		raw, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		client := address(raw.RemoteAddr())
		source := network(client)
		trusted := !l.implicit && s.trusted(client)
		if limit := s.door.enter(source, trusted); limit != nil {
			s.metrics.turnedAway.Inc()
			s.refusedConnection(client, limit)
			turnAway(raw, l.implicit)
			continue
		}
		s.metrics.connections.Inc()
		s.metrics.sessions.Inc()
		kind := guard.Kind{Implicit: l.implicit, Strict: s.opts.Strict, Open: l.open}
		if trusted {
			kind.Trusted, kind.Strict = true, s.opts.TrustedPrincipal.Strict
		}
		var c *guard.Conn
		c = guard.New(raw, client, kind, s.guard, func() {
			s.door.leave(c, source)
			s.metrics.sessions.Dec()
		})
		s.door.track(c)
		return c, nil
	}
}

// turnAway closes a connection that is one too many. In clear text the client is
// told; on a TLS port that would cost a handshake, which is what a flood wants.
func turnAway(raw net.Conn, implicit bool) {
	if !implicit {
		// A fresh socket takes a line at once.
		_ = raw.SetWriteDeadline(time.Now().Add(time.Second))
		_, _ = raw.Write(replyFull.Wire(nil))
	}
	_ = raw.Close()
}

func (s *Server) trusted(client netip.Addr) bool {
	for _, p := range s.opts.Trusted {
		if p.Contains(client) {
			return true
		}
	}
	return false
}

// address gives the network address of a peer, IPv4 as such.
func address(a net.Addr) netip.Addr {
	if t, ok := a.(*net.TCPAddr); ok {
		return t.AddrPort().Addr().Unmap().WithZone("")
	}
	return netip.Addr{}
}

// network gives what we count by: an IPv4 address, or an IPv6 /64, which is what
// one host has at its disposal.
func network(a netip.Addr) netip.Prefix {
	bits := a.BitLen()
	if a.Is6() {
		bits = 64
	}
	p, _ := a.Prefix(bits)
	return p
}

// around gives the network around that of one host: an IPv4 /24 or an IPv6 /48.
func around(p netip.Prefix) netip.Prefix {
	bits := 24
	if p.Addr().Is6() {
		bits = 48
	}
	wide, _ := p.Addr().Prefix(bits)
	return wide
}

// door counts the connections that are open. That one network of strangers cannot
// take all of them, it gets no more than half, and the last tenth is for networks
// that have none. A network from which somebody has logged in is none of strangers,
// and where the operator allows one address as much there is no such rule.
type door struct {
	most, mostPer int
	mostAround    int
	last          int // connections after which the last tenth begins

	mu     sync.Mutex
	count  int
	open   map[*guard.Conn]string // the credential, once it is known
	per    map[netip.Prefix]int
	around map[netip.Prefix]int
	proven map[netip.Prefix]time.Time // networks around a login, and when the last was
	done   bool
}

// Bounds of what is remembered of logins.
const (
	maxProven = 10_000
	provenFor = 24 * time.Hour
)

func newDoor(most, mostPer int) *door {
	return &door{
		most: most, mostPer: mostPer, mostAround: max(mostPer, most/2), last: most - most/10,
		open: make(map[*guard.Conn]string), per: make(map[netip.Prefix]int), around: make(map[netip.Prefix]int),
		proven: make(map[netip.Prefix]time.Time),
	}
}

// enter takes a place for one more, or gives the limit that forbids it. A trusted
// client is bound by what is the server's and its own.
func (d *door) enter(source netip.Prefix, trusted bool) *mail.Limit {
	wide := around(source)
	d.mu.Lock()
	defer d.mu.Unlock()
	open := func(name mail.LimitName, whose string, used, limit int) *mail.Limit {
		return &mail.Limit{Name: name, Whose: whose, Used: float64(used), Max: float64(limit), Unit: "connections"}
	}
	switch {
	case d.done || d.count >= d.most:
		return open(mail.LimitConnections, "server", d.count, d.most)
	case d.per[source] >= d.mostPer:
		return open(mail.LimitPerAddress, "network "+source.String(), d.per[source], d.mostPer)
	case trusted || d.mostPer >= d.most || time.Since(d.proven[wide]) < provenFor:
	case d.around[wide] >= d.mostAround:
		return open(mail.LimitPerNetwork, "network "+wide.String(), d.around[wide], d.mostAround)
	case d.count >= d.last && d.around[wide] > 0:
		return open(mail.LimitReserved, "server", d.count, d.last)
	}
	d.count++
	d.per[source]++
	d.around[wide]++
	return nil
}

// track remembers who entered.
func (d *door) track(c *guard.Conn) {
	d.mu.Lock()
	d.open[c] = ""
	late := d.done
	d.mu.Unlock()
	if late {
		c.Drain()
	}
}

// known remembers by which credential one who entered speaks.
func (d *door) known(c *guard.Conn, credential string) {
	wide := around(network(c.Client()))
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, in := d.open[c]; in {
		d.open[c] = credential
	}
	if _, in := d.proven[wide]; !in && len(d.proven) >= maxProven {
		for other := range d.proven { // any, as the order of a map has it
			delete(d.proven, other)
			break
		}
	}
	d.proven[wide] = time.Now()
}

// of gives those who speak by a credential.
func (d *door) of(credential string) []*guard.Conn {
	d.mu.Lock()
	defer d.mu.Unlock()
	var list []*guard.Conn
	for c, known := range d.open {
		if known == credential {
			list = append(list, c)
		}
	}
	return list
}

func (d *door) leave(c *guard.Conn, source netip.Prefix) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.open, c)
	d.count--
	if d.per[source]--; d.per[source] <= 0 {
		delete(d.per, source)
	}
	wide := around(source)
	if d.around[wide]--; d.around[wide] <= 0 {
		delete(d.around, wide)
	}
}

// shut lets nobody in any more and gives those who are.
func (d *door) shut() []*guard.Conn {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.done = true
	left := make([]*guard.Conn, 0, len(d.open))
	for c := range d.open {
		left = append(left, c)
	}
	return left
}
