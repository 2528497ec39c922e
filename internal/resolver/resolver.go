package resolver

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/miekg/dns"

	"github.com/sesame-mta/sesame/internal/memo"
)

// Bounds of what is kept and followed.
const (
	minTTL     = time.Second
	maxTTL     = 24 * time.Hour
	failTTL    = time.Second      // how long a failure is remembered
	staleTTL   = 30 * time.Second // how long a stale answer is given before asking again
	staleLimit = 6 * time.Hour    // how long after its end an answer may still be given
	maxChain   = 8                // CNAMEs followed for one question
	maxRecords = 100              // records kept of one answer
	maxTime    = 30 * time.Second // for one question with all its CNAMEs and servers
	maxServers = 8
)

// Options say whom to ask, and how patiently.
type Options struct {
	// Servers are "host:port" with a literal address; none: those of
	// /etc/resolv.conf, read once.
	Servers []string
	// Timeout is the time one server has for one answer; 0 is 3 s.
	Timeout time.Duration
	// Tries is how often each server is asked; 0 is 2.
	Tries int
	// MaxCache is how many answers are remembered; 0 is 20,000.
	MaxCache int
	// IPv6 makes Addrs look for IPv6 addresses too.
	IPv6 bool
	// Dial opens the way to a server; nil uses the network. Tests give their own.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
	Log  *slog.Logger
}

// Resolver is a stub resolver with a cache. It is safe for use by many goroutines.
type Resolver struct {
	servers []server
	first   atomic.Uint32 // index of the server that answers
	timeout time.Duration
	tries   int
	ipv6    bool
	dial    func(ctx context.Context, network, addr string) (net.Conn, error)
	log     *slog.Logger
	cache   *memo.Table[answer]
}

type server struct {
	addr string
	// trusted: on this machine, so that nobody between it and us could have
	// set the AD bit (RFC 6840 section 5.8, RFC 7672 section 2.1).
	trusted bool
}

// Meta is what came with the records of an answer.
type Meta struct {
	// Name is the name that holds the records, after all CNAMEs.
	Name string
	// Expires is when the records must be asked for again.
	Expires time.Time
	// Authentic: a validating server on this machine vouches for the whole
	// answer (DNSSEC). Only then may DANE rely on it.
	Authentic bool
	// Stale: no server could answer, and this is an older answer.
	Stale bool
}

// MX is one mail exchanger. Host is in lower case without the final dot; it is
// empty for the "." of a null MX (RFC 7505).
type MX struct {
	Host string
	Pref uint16
}

// New makes a resolver. The error says which server cannot be understood, or
// why the system's list could not be read.
func New(o Options) (*Resolver, error) {
	if len(o.Servers) == 0 {
		var err error
		if o.Servers, err = systemServers("/etc/resolv.conf"); err != nil {
			return nil, err
		}
	}
	r := &Resolver{
		timeout: cmp.Or(o.Timeout, 3*time.Second),
		tries:   cmp.Or(o.Tries, 2),
		ipv6:    o.IPv6,
		dial:    o.Dial,
		log:     o.Log,
	}
	for _, s := range o.Servers[:min(len(o.Servers), maxServers)] {
		ap, err := netip.ParseAddrPort(s)
		if err != nil {
			return nil, fmt.Errorf("name server %q: %w", s, err)
		}
		r.servers = append(r.servers, server{addr: s, trusted: ap.Addr().Unmap().IsLoopback()})
	}
	if r.dial == nil {
		r.dial = new(net.Dialer).DialContext
	}
	if r.log == nil {
		r.log = slog.New(slog.DiscardHandler)
	}
	r.cache = memo.New[answer](cmp.Or(o.MaxCache, 20000))
	return r, nil
}

// systemServers reads the servers of a resolv.conf; like the C library it falls
// back to this machine when the file is missing or names none.
func systemServers(path string) ([]string, error) {
	c, err := dns.ClientConfigFromFile(path)
	if err != nil {
		var pe *net.ParseError
		if errors.As(err, &pe) {
			return nil, fmt.Errorf("read %s: %w", path, err)
		}
		return []string{"127.0.0.1:53"}, nil
	}
	var list []string
	for _, s := range c.Servers {
		list = append(list, net.JoinHostPort(s, c.Port))
	}
	if len(list) == 0 {
		list = []string{"127.0.0.1:53"}
	}
	return list, nil
}

// Close ends all lookups and waits for them.
func (r *Resolver) Close() { r.cache.Close() }

// MX gives the mail exchangers of a domain, by preference. The error is an
// *Error or that of ctx; NoData says that the domain exists without any.
func (r *Resolver) MX(ctx context.Context, domain string) ([]MX, Meta, error) {
	a, err := r.lookup(ctx, domain, dns.TypeMX)
	if err != nil {
		return nil, Meta{}, err
	}
	list := make([]MX, 0, len(a.rrs))
	for _, rr := range a.rrs {
		mx := rr.(*dns.MX)
		list = append(list, MX{Host: plain(mx.Mx), Pref: mx.Preference})
	}
	slices.SortStableFunc(list, func(a, b MX) int { return cmp.Compare(a.Pref, b.Pref) })
	return list, a.meta, nil
}

// Addrs gives the addresses of a host, IPv4 first. When one family fails and
// the other answers, the answer counts.
func (r *Resolver) Addrs(ctx context.Context, host string) ([]netip.Addr, error) {
	list, _, err := r.A(ctx, host)
	if !r.ipv6 || KindOf(err) == NotFound {
		return list, err
	}
	six, _, err6 := r.AAAA(ctx, host)
	if list = append(list, six...); len(list) > 0 {
		return list, nil
	}
	// NoData from one family must not hide that the other could not be had.
	if KindOf(err) == NoData {
		err = err6
	}
	return nil, err
}

// A gives the IPv4 addresses of a host.
func (r *Resolver) A(ctx context.Context, host string) ([]netip.Addr, Meta, error) {
	return r.addrs(ctx, host, dns.TypeA)
}

// AAAA gives the IPv6 addresses of a host.
func (r *Resolver) AAAA(ctx context.Context, host string) ([]netip.Addr, Meta, error) {
	return r.addrs(ctx, host, dns.TypeAAAA)
}

func (r *Resolver) addrs(ctx context.Context, host string, qtype uint16) ([]netip.Addr, Meta, error) {
	a, err := r.lookup(ctx, host, qtype)
	if err != nil {
		return nil, Meta{}, err
	}
	list := make([]netip.Addr, 0, len(a.rrs))
	for _, rr := range a.rrs {
		var ip net.IP
		switch rr := rr.(type) {
		case *dns.A:
			ip = rr.A.To4()
		case *dns.AAAA:
			ip = rr.AAAA.To16()
		}
		if addr, ok := netip.AddrFromSlice(ip); ok {
			list = append(list, addr)
		}
	}
	return list, a.meta, nil
}

// TXT gives the texts at a name, the strings of each record joined (RFC 7208
// section 3.3) and in their own octets.
func (r *Resolver) TXT(ctx context.Context, name string) ([]string, Meta, error) {
	a, err := r.lookup(ctx, name, dns.TypeTXT)
	if err != nil {
		return nil, Meta{}, err
	}
	list := make([]string, 0, len(a.rrs))
	for _, rr := range a.rrs {
		list = append(list, unescape(strings.Join(rr.(*dns.TXT).Txt, "")))
	}
	return list, a.meta, nil
}
