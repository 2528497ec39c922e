package egress

import (
	"fmt"
	"net/netip"
	"sync/atomic"
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

// Sources chooses among sources. It is safe for concurrent use.
type Sources struct {
	pools  map[string]*pool
	kernel Source
	addrs  []netip.Addr
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

// Pick gives a source of the pool for each address family, in turn. A pool that
// is not configured falls back to the default pool, and that to the kernel's
// choice, which is for IPv4 only: IPv6 mail needs an address that the operator
// chose, with a name that resolves both ways, or it is refused by most.
func (s *Sources) Pick(name string) (v4, v6 *Source) {
	if name == "" {
		name = DefaultPool
	}
	p := s.pools[name]
	if p == nil {
		p = s.pools[DefaultPool]
	}
	if p == nil {
		return &s.kernel, nil
	}
	n := p.next.Add(1) - 1
	if len(p.v4) > 0 {
		v4 = &p.v4[n%uint32(len(p.v4))]
	}
	if len(p.v6) > 0 {
		v6 = &p.v6[n%uint32(len(p.v6))]
	}
	return v4, v6
}

// Addrs gives the addresses of all sources.
func (s *Sources) Addrs() []netip.Addr { return s.addrs }
