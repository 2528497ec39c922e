package resolver

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// answer is what the cache holds for a question: records, or why there are none.
type answer struct {
	rrs  []dns.RR
	meta Meta
	err  *Error
	// ended is when a positive answer ended that is given again as stale.
	ended time.Time
}

// lookup answers a question from the cache or the servers.
func (r *Resolver) lookup(ctx context.Context, name string, qtype uint16) (answer, error) {
	asked := dns.TypeToString[qtype]
	qname, ok := canonical(name)
	if !ok {
		return answer{}, &Error{Kind: BadName, Name: name, Type: asked}
	}
	a, err := r.cache.Get(ctx, asked+" "+qname, func(ctx context.Context, old *answer) (answer, time.Time) {
		a := r.resolve(ctx, qname, qtype)
		if a.err != nil && a.err.Temporary() {
			r.log.Debug("lookup failed", "domain", plain(qname), "err", a.err)
			a = stale(a, old, qtype)
		}
		return a, a.meta.Expires
	})
	if err != nil {
		return answer{}, &Error{Kind: Failed, Name: plain(qname), Type: asked, Err: err}
	}
	if a.err != nil {
		return a, a.err
	}
	return a, nil
}

// stale gives the old answer instead of a failure, for a while: mail for a
// domain whose name servers are down can still go where it went an hour ago
// (RFC 8767). Texts are left out, since they carry policies and keys. A stale
// answer vouches for nothing.
func stale(failed answer, old *answer, qtype uint16) answer {
	if old == nil || old.err != nil || qtype == dns.TypeTXT {
		return failed
	}
	a := *old
	if a.ended.IsZero() {
		a.ended = a.meta.Expires
	}
	if time.Since(a.ended) > staleLimit {
		return failed
	}
	a.meta.Stale, a.meta.Authentic = true, false
	a.meta.Expires = time.Now().Add(staleTTL)
	return a
}

// resolve asks the servers, following CNAMEs that they left unfinished.
func (r *Resolver) resolve(ctx context.Context, qname string, qtype uint16) answer {
	ctx, cancel := context.WithTimeout(ctx, maxTime)
	defer cancel()
	c := chase{name: qname, qtype: qtype, ttl: maxTTL, authentic: true}
	var done bool
	var err error
	for !done && err == nil {
		var m *dns.Msg
		var trusted bool
		if m, trusted, err = r.ask(ctx, c.name, qtype); err == nil {
			done, err = c.take(m, trusted)
		}
	}
	a := answer{rrs: c.rrs, meta: Meta{Name: plain(c.name), Authentic: c.authentic}}
	if err != nil {
		var e *Error
		if !errors.As(err, &e) {
			e = &Error{Kind: Failed, Err: err}
		}
		e.Name, e.Type = plain(qname), dns.TypeToString[qtype]
		a.rrs, a.err = nil, e
		if e.Temporary() {
			c.ttl = failTTL
		}
	}
	a.meta.Expires = time.Now().Add(min(max(c.ttl, minTTL), maxTTL))
	return a
}

// chase is a question on its way along a chain of CNAMEs.
type chase struct {
	name      string // where the chain has come to
	qtype     uint16
	links     int
	ttl       time.Duration
	authentic bool
	broken    bool // a record was without its data
	rrs       []dns.RR
}

var (
	errChain = errors.New("chain of CNAMEs is too long or a circle")
	errReply = errors.New("reply makes no sense")
)

// take reads a reply. It reports whether the question is answered; if not, and
// there is no error, c.name is to be asked next.
func (c *chase) take(m *dns.Msg, trusted bool) (bool, error) {
	c.authentic = c.authentic && trusted && m.AuthenticatedData
	moved := false
	for {
		if c.pick(m.Answer) {
			return true, nil
		}
		target, ok := c.follow(m.Answer)
		if !ok {
			break
		}
		if c.links++; c.links > maxChain {
			return false, &Error{Kind: Failed, Err: errChain}
		}
		c.name, moved = target, true
	}
	if c.broken {
		return false, &Error{Kind: Failed, Err: errReply}
	}
	negative, soa := c.negativeTTL(m.Ns)
	// The code is that of the last name of the chain (RFC 6604 section 3).
	if m.Rcode == dns.RcodeNameError {
		c.ttl = min(c.ttl, negative)
		return false, &Error{Kind: NotFound}
	}
	if moved && !soa {
		return false, nil
	}
	c.ttl = min(c.ttl, negative)
	return false, &Error{Kind: NoData}
}

// pick takes the records that answer the question.
func (c *chase) pick(section []dns.RR) bool {
	for _, rr := range section {
		h := rr.Header()
		if h.Rrtype != c.qtype || h.Class != dns.ClassINET || !strings.EqualFold(h.Name, c.name) {
			continue
		}
		if !whole(rr) {
			c.broken = true
			continue
		}
		c.lower(h.Ttl)
		c.rrs = append(c.rrs, rr)
	}
	if c.qtype == dns.TypeMX {
		// The most preferred are those worth keeping when there are too many.
		slices.SortStableFunc(c.rrs, func(a, b dns.RR) int {
			return int(a.(*dns.MX).Preference) - int(b.(*dns.MX).Preference)
		})
	}
	c.rrs = c.rrs[:min(len(c.rrs), maxRecords)]
	return len(c.rrs) > 0
}

// whole reports whether a record has its data: the DNS library takes records of
// no length, and an MX without host must not be read as a null MX.
func whole(rr dns.RR) bool {
	switch rr := rr.(type) {
	case *dns.A:
		return len(rr.A) > 0
	case *dns.AAAA:
		return len(rr.AAAA) > 0
	case *dns.MX:
		return rr.Mx != ""
	case *dns.TXT:
		return len(rr.Txt) > 0
	case *dns.CNAME:
		return rr.Target != ""
	case *dns.PTR:
		return rr.Ptr != ""
	}
	return false
}

// follow gives the target of the CNAME at c.name, if there is one.
func (c *chase) follow(section []dns.RR) (string, bool) {
	for _, rr := range section {
		if cname, ok := rr.(*dns.CNAME); ok && strings.EqualFold(cname.Hdr.Name, c.name) {
			c.lower(cname.Hdr.Ttl)
			return strings.ToLower(cname.Target), true
		}
	}
	return "", false
}

// negativeTTL gives how long absence may be remembered: the lesser of the SOA's
// own TTL and its MINIMUM field (RFC 2308 section 5). Without an SOA it is not
// to be kept, which here means the least time there is.
func (c *chase) negativeTTL(section []dns.RR) (time.Duration, bool) {
	for _, rr := range section {
		if soa, ok := rr.(*dns.SOA); ok {
			return seconds(min(soa.Hdr.Ttl, soa.Minttl)), true
		}
	}
	return minTTL, false
}

func (c *chase) lower(ttl uint32) { c.ttl = min(c.ttl, seconds(ttl)) }

// seconds reads a TTL; one with the top bit set is zero (RFC 2181 section 8).
func seconds(ttl uint32) time.Duration {
	if ttl > 1<<31-1 {
		return 0
	}
	return time.Duration(ttl) * time.Second
}
