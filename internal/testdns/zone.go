package testdns

import (
	"fmt"
	"strings"

	"github.com/miekg/dns"
)

// zone holds records by name and type, and how many names lie under each name,
// so that an empty name between others exists (RFC 4592 section 2.2.2).
type zone struct {
	names map[string]map[uint16][]dns.RR
	under map[string]int
}

func newZone() zone {
	return zone{names: make(map[string]map[uint16][]dns.RR), under: make(map[string]int)}
}

// parse reads records, one a line. Each line is read alone: in a zone file the
// TTL and owner of one line would hold for the next.
func parse(text string) ([]dns.RR, error) {
	var list []dns.RR
	for line := range strings.Lines(text) {
		p := dns.NewZoneParser(strings.NewReader(strings.TrimSpace(line)+"\n"), ".", "")
		p.SetDefaultTTL(300)
		for rr, ok := p.Next(); ok; rr, ok = p.Next() {
			rr.Header().Name = strings.ToLower(rr.Header().Name)
			list = append(list, rr)
		}
		if err := p.Err(); err != nil {
			return nil, fmt.Errorf("testdns: %w", err)
		}
	}
	return list, nil
}

func (z zone) add(text string) error {
	rrs, err := parse(text)
	for _, rr := range rrs {
		z.insert(rr)
	}
	return err
}

func (z zone) insert(rr dns.RR) {
	name, t := rr.Header().Name, rr.Header().Rrtype
	if z.names[name] == nil {
		z.names[name] = make(map[uint16][]dns.RR)
		for n := parent(name); n != ""; n = parent(n) {
			z.under[n]++
		}
	}
	z.names[name][t] = append(z.names[name][t], rr)
}

func (z zone) remove(name string) {
	if z.names[name] == nil {
		return
	}
	delete(z.names, name)
	for n := parent(name); n != ""; n = parent(n) {
		z.under[n]--
	}
}

// parent gives the name above, and nothing above the root.
func parent(name string) string {
	if name == "." {
		return ""
	}
	_, rest, _ := strings.Cut(name, ".")
	if rest == "" {
		return "."
	}
	return rest
}

// find gives the records of a name, its own or those of the nearest wildcard,
// and whether the name exists.
func (z zone) find(name string) (map[uint16][]dns.RR, bool) {
	if set := z.names[name]; set != nil || z.under[name] > 0 {
		return set, true
	}
	for n := parent(name); n != ""; n = parent(n) {
		if set := z.names["*."+strings.TrimPrefix(n, ".")]; set != nil {
			return set, true
		}
		// The closest name that exists decides (RFC 4592 section 3.3.1).
		if z.names[n] != nil || z.under[n] > 0 {
			break
		}
	}
	return nil, false
}

// answer makes the reply to a question, with the CNAMEs on the way.
func (z zone) answer(q *dns.Msg, partial bool) *dns.Msg {
	m := new(dns.Msg)
	m.SetReply(q)
	m.RecursionAvailable = true
	if opt := q.IsEdns0(); opt != nil {
		m.SetEdns0(opt.UDPSize(), opt.Do())
	}
	name, qtype := strings.ToLower(q.Question[0].Name), q.Question[0].Qtype
	for range 20 {
		set, exists := z.find(name)
		if rrs := set[qtype]; len(rrs) > 0 {
			m.Answer = append(m.Answer, owned(rrs, name)...)
			return m
		}
		cname := set[dns.TypeCNAME]
		if len(cname) == 0 {
			if !exists {
				m.Rcode = dns.RcodeNameError
			}
			m.Ns = []dns.RR{z.soa(name)}
			return m
		}
		m.Answer = append(m.Answer, owned(cname[:1], name)...)
		if partial {
			return m
		}
		name = strings.ToLower(cname[0].(*dns.CNAME).Target)
	}
	return m // a circle: the CNAMEs alone
}

// owned gives the records under the name that was asked, which differs from
// their own for a wildcard.
func owned(rrs []dns.RR, name string) []dns.RR {
	out := make([]dns.RR, len(rrs))
	for i, rr := range rrs {
		out[i] = dns.Copy(rr)
		out[i].Header().Name = name
	}
	return out
}

// soa gives the SOA above a name, or one that lets absence be remembered for
// five minutes.
func (z zone) soa(name string) dns.RR {
	for n := name; n != ""; n = parent(n) {
		if soa := z.names[n][dns.TypeSOA]; len(soa) > 0 {
			return dns.Copy(soa[0])
		}
	}
	return &dns.SOA{
		Hdr: dns.RR_Header{Name: ".", Rrtype: dns.TypeSOA, Class: dns.ClassINET, Ttl: 300},
		Ns:  "ns.test.", Mbox: "hostmaster.test.", Serial: 1,
		Refresh: 3600, Retry: 600, Expire: 86400, Minttl: 300,
	}
}
