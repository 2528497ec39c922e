package delivery

import (
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/sesame-mta/sesame/delivery/egress"
	"github.com/sesame-mta/sesame/delivery/smtpc"
)

// conn is a connection on which EHLO, TLS and AUTH are done.
type conn struct {
	client *smtpc.Client
	key    poolKey
	host   string
	addr   string
	local  netip.Addr // that we send from
	source *egress.Source
	tls    string // version, empty in clear text
	bare   bool   // in clear text because the TLS handshake failed
	uses   int    // transactions begun
	timer  *time.Timer
}

// poolKey says what a connection may be reused for. Trusted keeps connections
// to the smarthost, with its password and its freedom of address, apart from a
// stranger's MX that bears the same name.
type poolKey struct {
	site    string
	source  string
	trusted bool
}

// pool keeps idle connections for a while.
type pool struct {
	keep   time.Duration
	most   int
	retire func(*conn)

	mu     sync.Mutex
	idle   map[poolKey][]*conn
	count  int
	closed bool
}

func newPool(keep time.Duration, most int, retire func(*conn)) *pool {
	return &pool{keep: keep, most: most, retire: retire, idle: map[poolKey][]*conn{}}
}

// take gives the connection used last among those that fit, or nil.
func (p *pool) take(key poolKey, fits func(*conn) bool) *conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	list := p.idle[key]
	for i := len(list) - 1; i >= 0; i-- {
		if c := list[i]; fits(c) {
			p.remove(c)
			c.timer.Stop()
			return c
		}
	}
	return nil
}

// put keeps a connection until somebody takes it or its time is up.
func (p *pool) put(c *conn) {
	p.mu.Lock()
	if p.closed || p.count >= p.most {
		p.mu.Unlock()
		p.retire(c)
		return
	}
	defer p.mu.Unlock()
	p.idle[c.key] = append(p.idle[c.key], c)
	p.count++
	if c.timer == nil {
		c.timer = time.AfterFunc(p.keep, func() { p.expire(c) })
	} else {
		c.timer.Reset(p.keep)
	}
}

func (p *pool) expire(c *conn) {
	p.mu.Lock()
	found := p.remove(c)
	p.mu.Unlock()
	if found {
		p.retire(c)
	}
}

// remove takes c out, and reports whether it was there.
func (p *pool) remove(c *conn) bool {
	list := p.idle[c.key]
	i := slices.Index(list, c)
	if i < 0 {
		return false
	}
	if list = slices.Delete(list, i, i+1); len(list) == 0 {
		delete(p.idle, c.key)
	} else {
		p.idle[c.key] = list
	}
	p.count--
	return true
}

// close retires all and keeps no more.
func (p *pool) close() {
	p.mu.Lock()
	p.closed = true
	all := p.idle
	p.idle, p.count = map[poolKey][]*conn{}, 0
	p.mu.Unlock()
	for _, list := range all {
		for _, c := range list {
			c.timer.Stop()
			p.retire(c)
		}
	}
}
