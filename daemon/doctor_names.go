package daemon

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/sesame-mta/sesame/account/identity"
	"github.com/sesame-mta/sesame/internal/resolver"
	"github.com/sesame-mta/sesame/internal/spf"
)

const again = "try again; if it stays so, look at the domain's name servers"

// absent reports whether a lookup says that there is nothing, rather than nothing
// at all.
func absent(err error) bool {
	k := resolver.KindOf(err)
	return k == resolver.NotFound || k == resolver.NoData
}

// resolver asks for a signed domain. It reports whether names can be asked for.
func (d *doctor) resolver(ctx context.Context) (bool, []Finding) {
	const name = "resolver"
	ctx, cancel := context.WithTimeout(ctx, checkTime)
	defer cancel()
	signed := d.o.Signed
	if signed == "" {
		signed = "ietf.org"
	}
	_, meta, err := d.dns.MX(ctx, signed)
	switch {
	case err != nil && !absent(err):
		return false, []Finding{fail(name, "name servers that work in [dns] resolvers or /etc/resolv.conf", "names cannot be looked up: %v", err)}
	case !d.dns.Local():
		return true, []Finding{warn(name, "run a validating resolver such as unbound here and name it in [dns] resolvers",
			"names are looked up on another machine, whose word on DNSSEC does not count")}
	case !meta.Authentic:
		return true, []Finding{warn(name, "let it validate DNSSEC (in unbound: auto-trust-anchor-file)",
			"the name server on this machine does not validate DNSSEC: %s is not vouched for", signed)}
	}
	return true, []Finding{ok(name, "the name server on this machine answers and validates")}
}

// sources gives the addresses that mail leaves from with their EHLO names: those
// of the file, else those of the host name, as the kernel will choose among them.
func (d *doctor) sources(ctx context.Context) ([]identity.Source, error) {
	var list []identity.Source
	for _, s := range d.cfg.Sources {
		list = append(list, identity.Source{Address: s.Address, EHLO: s.EHLO})
	}
	if len(list) > 0 {
		return list, nil
	}
	addrs, _, err := d.dns.A(ctx, d.cfg.Hostname)
	for _, a := range addrs {
		list = append(list, identity.Source{Address: a, EHLO: d.cfg.Hostname})
	}
	return list, err
}

// addresses looks at what the world can learn of each address that we send from:
// its name, the way back, and SPF.
func (d *doctor) addresses(ctx context.Context) []Finding {
	if d.cfg.Delivery.Smarthost != "" {
		return []Finding{ok("names", "mail leaves through %s, whose addresses are its operator's", d.cfg.Delivery.Smarthost)}
	}
	list, err := d.sources(ctx)
	switch {
	case absent(err):
		return []Finding{fail("names", "publish an A record for it", "the host name %s has no address", d.cfg.Hostname)}
	case err != nil:
		return []Finding{warn("names", again, "the host name could not be looked up: %v", err)}
	}
	var out []Finding
	for _, s := range list {
		if s.Address.IsPrivate() || s.Address.IsLoopback() {
			out = append(out, warn("names", "check the PTR record and SPF of the address that the world sees",
				"%s is not a public address: the world sees another", s.Address))
			continue
		}
		out = append(out, d.ptr(ctx, s), d.forward(ctx, s), d.spf(ctx, s, s.EHLO))
		if !strings.EqualFold(s.EHLO, d.service) {
			out = append(out, d.spf(ctx, s, d.service))
		}
	}
	return out
}

// ptr: the name of an address should be the one that is given in EHLO (RFC 5321
// section 4.1.4 lets receivers compare, and the large ones do).
func (d *doctor) ptr(ctx context.Context, s identity.Source) Finding {
	const name = "ptr"
	names, _, err := d.dns.PTR(ctx, s.Address)
	do := fmt.Sprintf("have whoever gave you the address set its PTR record to %s", s.EHLO)
	switch {
	case absent(err):
		return fail(name, do, "%s has no name", s.Address)
	case err != nil:
		return warn(name, again, "the name of %s could not be looked up: %v", s.Address, err)
	case !slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, s.EHLO) }):
		return fail(name, do, "%s is called %s, but says %s in EHLO", s.Address, strings.Join(names, ", "), s.EHLO)
	case len(names) > 1:
		return warn(name, "leave "+s.EHLO+" alone", "%s has %d names; many receivers look at one of them", s.Address, len(names))
	}
	return ok(name, "%s is called %s", s.Address, s.EHLO)
}

// forward: the EHLO name must lead back to the address.
func (d *doctor) forward(ctx context.Context, s identity.Source) Finding {
	const name = "ehlo"
	kind, look := "A", d.dns.A
	if s.Address.Is6() {
		kind, look = "AAAA", d.dns.AAAA
	}
	addrs, _, err := look(ctx, s.EHLO)
	if err != nil && !absent(err) {
		return warn(name, again, "%s could not be looked up: %v", s.EHLO, err)
	}
	if !slices.Contains(addrs, s.Address) {
		return fail(name, fmt.Sprintf("publish: %s %s %s", s.EHLO, kind, s.Address),
			"the EHLO name %s does not lead to %s", s.EHLO, s.Address)
	}
	return ok(name, "%s leads to %s", s.EHLO, s.Address)
}

func (d *doctor) spf(ctx context.Context, s identity.Source, domain string) Finding {
	const name = "spf"
	result, err := spf.Check(ctx, d.dns, s.Address, domain)
	terms := "v=spf1 ip4:" + s.Address.String() + " -all"
	if s.Address.Is6() {
		terms = "v=spf1 ip6:" + s.Address.String() + " -all"
	}
	for _, r := range d.records {
		if r.Type == "TXT" && strings.EqualFold(r.Name, domain) && strings.HasPrefix(r.Value, "v=spf1") {
			terms = r.Value
		}
	}
	publish := fmt.Sprintf("publish: %s TXT %q", domain, terms)
	switch result {
	case spf.Pass:
		return ok(name, "%s may send for %s", s.Address, domain)
	case spf.None:
		return fail(name, publish, "%s has no SPF record", domain)
	case spf.TempError:
		return warn(name, again, "the SPF record of %s could not be evaluated: %v", domain, err)
	case spf.PermError:
		return fail(name, publish, "the SPF record of %s cannot be read: %v", domain, err)
	case spf.Neutral, spf.SoftFail, spf.Fail:
	}
	return fail(name, "add the address to it, for example: "+terms, "the SPF record of %s does not let %s send (%s)", domain, s.Address, result)
}

// dkim compares the keys that sign our own mail with those that are published.
func (d *doctor) dkim(ctx context.Context) []Finding {
	const name = "dkim"
	if d.unknown != nil {
		return []Finding{warn(name, "start the server once, or run doctor as the user it runs as", "the keys of the server are not known: %v", d.unknown)}
	}
	var out []Finding
	for _, r := range d.records {
		if r.Type != "TXT" || !strings.Contains(r.Name, "._domainkey.") {
			continue
		}
		publish := fmt.Sprintf("publish: %s TXT %q", r.Name, r.Value)
		texts, _, err := d.dns.TXT(ctx, r.Name)
		switch {
		case absent(err):
			out = append(out, fail(name, publish, "the key at %s is not published", r.Name))
		case err != nil:
			out = append(out, warn(name, again, "the key at %s could not be looked up: %v", r.Name, err))
		case len(texts) != 1:
			// RFC 6376 section 3.6.2.2: what follows from several is undefined.
			out = append(out, fail(name, "leave one: "+publish, "there are %d records at %s", len(texts), r.Name))
		case keyOf(texts[0]) != keyOf(r.Value):
			out = append(out, fail(name, publish, "another key than ours is published at %s", r.Name))
		default:
			out = append(out, ok(name, "the key at %s is published", r.Name))
		}
	}
	return out
}

// keyOf gives the public key in a DKIM record (RFC 6376 section 3.6.1).
func keyOf(text string) string {
	for tag := range strings.SplitSeq(text, ";") {
		if name, value, _ := strings.Cut(tag, "="); strings.TrimSpace(name) == "p" {
			return strings.Join(strings.Fields(value), "")
		}
	}
	return ""
}

// mx: bounces and complaints come back to the service domain.
func (d *doctor) mx(ctx context.Context) []Finding {
	const name = "mx"
	host := d.cfg.Hostname
	if d.cfg.Service.Domain != "" {
		host = cmp.Or(d.cfg.Service.FeedbackHost, host)
	}
	do := fmt.Sprintf("publish: %s MX 10 %s", d.service, host)
	worry := warn
	if len(d.cfg.Listen.Feedback) > 0 {
		worry = fail // all mail leaves under reverse-paths there
	}
	list, _, err := d.dns.MX(ctx, d.service)
	switch {
	case absent(err):
		return []Finding{worry(name, do, "%s has no MX record: late bounces and complaints do not come back", d.service)}
	case err != nil:
		return []Finding{warn(name, again, "the MX of %s could not be looked up: %v", d.service, err)}
	}
	for _, mx := range list {
		if strings.EqualFold(mx.Host, host) {
			return []Finding{ok(name, "mail for %s comes here", d.service)}
		}
	}
	return []Finding{worry(name, do, "mail for %s goes to %s: late bounces and complaints do not come here", d.service, hosts(list))}
}

func hosts(list []resolver.MX) string {
	var names []string
	for _, mx := range list[:min(len(list), 3)] {
		if mx.Host == "" {
			return "nobody (a null MX)"
		}
		names = append(names, mx.Host)
	}
	return strings.Join(names, ", ")
}

// addrOf gives an address of a host in the family of another; any without one.
func (d *doctor) addrOf(ctx context.Context, host string, family netip.Addr) (netip.Addr, error) {
	if a, err := netip.ParseAddr(host); err == nil {
		return a, nil
	}
	look := d.dns.A
	if family.Is6() {
		look = d.dns.AAAA
	}
	addrs, _, err := look(ctx, host)
	if err != nil {
		return netip.Addr{}, err
	}
	return addrs[0], nil
}
