package egress

import (
	"fmt"
	"net/netip"
	"sync/atomic"
	"time"
)

// DefaultPool is the pool of a source or a message that names none.
const DefaultPool = "default"

// Source is a network address to send from, with the name that belongs to it.
type Source struct {
	Name string
	Addr netip.Addr // the zero value leaves the choice to the kernel
	EHLO string     // our name in EHLO; should resolve to Addr
	Pool string     // empty is DefaultPool
}

// Sources chooses among sources, and remembers which site does not take which of
// them. It is safe for concurrent use.
type Sources struct {
	pools  map[string]*pool
	kernel Source
	addrs  []netip.Addr
	rests  rests
}

type pool struct {
	v4, v6 []Source
	next   atomic.Uint32
}

// NewSources checks and keeps a list of sources. Without any, the kernel chooses
// the address and hostname is the name in EHLO.
func NewSources(hostname string, list []Source) (*Sources, error) {
	s := &Sources{pools: map[string]*pool{}, kernel: Source{EHLO: hostname}}
	names := map[string]bool{}
	for _, src := range list {
		switch {
		case src.Name == "":
			return nil, fmt.Errorf("source without a name")
		case names[src.Name]:
			return nil, fmt.Errorf("source %q: name is used twice", src.Name)
		case !src.Addr.IsValid() || src.Addr.IsUnspecified():
			return nil, fmt.Errorf("source %q: no address", src.Name)
		}
		names[src.Name] = true
		src.Addr = src.Addr.Unmap()
		if src.EHLO == "" {
			src.EHLO = hostname
		}
		if src.Pool == "" {
			src.Pool = DefaultPool
		}
		p := s.pools[src.Pool]
		if p == nil {
			p = &pool{}
			s.pools[src.Pool] = p
		}
		if src.Addr.Is4() {
			p.v4 = append(p.v4, src)
		} else {
			p.v6 = append(p.v6, src)
		}
		s.addrs = append(s.addrs, src.Addr)
	}
	return s, nil
}

// pool gives the pool with this name. One that is not configured falls back to the
// default pool; nil is the kernel's choice.
func (s *Sources) pool(name string) *pool {
	if name == "" {
		name = DefaultPool
	}
	if p := s.pools[name]; p != nil {
		return p
	}
	return s.pools[DefaultPool]
}

// Pick gives a source of the pool for each address family, in turn, passing over
// those that rest at the site; when all do, it is the one that has rested for
// longest of its time. Without a pool it is the kernel's choice, which is for IPv4
// only: IPv6 mail needs an address that the operator chose, with a name that
// resolves both ways, or it is refused by most.
func (s *Sources) Pick(name, site string) (v4, v6 *Source) {
	p := s.pool(name)
	if p == nil {
		return &s.kernel, nil
	}
	n := p.next.Add(1) - 1
	return s.turn(p.v4, n, site), s.turn(p.v6, n, site)
}

// turn gives the n-th source of a list, or the next one that does not rest.
func (s *Sources) turn(list []Source, n uint32, site string) *Source {
	if len(list) == 0 {
		return nil
	}
	first := &list[n%uint32(len(list))]
	if len(list) == 1 || s.rests.none() {
		return first
	}
	now := time.Now()
	var soonest *Source
	var at time.Time
	for i := range list {
		src := &list[(n+uint32(i))%uint32(len(list))]
		until := s.rests.until(site, src.Name, now)
		if until.IsZero() {
			return src
		}
		if soonest == nil || until.Before(at) {
			soonest, at = src, until
		}
	}
	return soonest
}

// Addrs gives the addresses of all sources.
func (s *Sources) Addrs() []netip.Addr { return s.addrs }
