// Package spf asks whether an address may send for a domain (RFC 7208), through
// our own resolver. The work is the library's; this is the way between the two.
// It imports no room.
package spf

import (
	"context"
	"net"
	"net/netip"

	"blitiri.com.ar/go/spf"

	"github.com/sesame-mta/sesame/internal/resolver"
)

// Result is what a receiver would find.
type Result string

// The results of RFC 7208 section 2.6.
const (
	None      = Result(spf.None)
	Neutral   = Result(spf.Neutral)
	Pass      = Result(spf.Pass)
	Fail      = Result(spf.Fail)
	SoftFail  = Result(spf.SoftFail)
	TempError = Result(spf.TempError)
	PermError = Result(spf.PermError)
)

// Check evaluates the record of a domain as a receiver does for mail from an
// address. The error tells more of the result, Pass included, for people.
func Check(ctx context.Context, r *resolver.Resolver, addr netip.Addr, domain string) (Result, error) {
	result, err := spf.CheckHostWithSender(net.IP(addr.Unmap().AsSlice()), domain, "postmaster@"+domain,
		spf.WithContext(ctx), spf.WithResolver(lookups{r}))
	return Result(result), err
}

// lookups shows the library our resolver as it would *net.Resolver.
type lookups struct{ r *resolver.Resolver }

// LookupTXT implements spf.DNSResolver.
func (l lookups) LookupTXT(ctx context.Context, name string) ([]string, error) {
	list, _, err := l.r.TXT(ctx, name)
	return list, translate(name, err)
}

// LookupMX implements spf.DNSResolver.
func (l lookups) LookupMX(ctx context.Context, name string) ([]*net.MX, error) {
	list, _, err := l.r.MX(ctx, name)
	out := make([]*net.MX, 0, len(list))
	for _, mx := range list {
		out = append(out, &net.MX{Host: mx.Host + ".", Pref: mx.Pref})
	}
	return out, translate(name, err)
}

// LookupIPAddr implements spf.DNSResolver.
func (l lookups) LookupIPAddr(ctx context.Context, host string) ([]net.IPAddr, error) {
	list, _, err := l.r.A(ctx, host)
	six, _, err6 := l.r.AAAA(ctx, host)
	var out []net.IPAddr
	for _, a := range append(list, six...) {
		out = append(out, net.IPAddr{IP: net.IP(a.AsSlice())})
	}
	if len(out) > 0 {
		return out, nil
	}
	// A failure must not be hidden by the other family's absence.
	if k := resolver.KindOf(err); k == resolver.NoData || k == resolver.NotFound {
		err = err6
	}
	return nil, translate(host, err)
}

// LookupAddr implements spf.DNSResolver.
func (l lookups) LookupAddr(ctx context.Context, addr string) ([]string, error) {
	a, err := netip.ParseAddr(addr)
	if err != nil {
		return nil, err
	}
	list, _, err := l.r.PTR(ctx, a)
	return list, translate(addr, err)
}

// translate gives an error as the library knows it.
func translate(name string, err error) error {
	if err == nil {
		return nil
	}
	k := resolver.KindOf(err)
	absent := k == resolver.NotFound || k == resolver.NoData
	return &net.DNSError{Err: k.String(), Name: name, IsNotFound: absent,
		IsTemporary: k == resolver.Failed || k == resolver.Refused}
}
