package resolver

import (
	"context"

	"github.com/miekg/dns"
)

// CNAME gives the name that an alias points to, without following it further.
func (r *Resolver) CNAME(ctx context.Context, name string) (string, Meta, error) {
	a, err := r.lookup(ctx, name, dns.TypeCNAME)
	if err != nil {
		return "", Meta{}, err
	}
	return plain(a.rrs[0].(*dns.CNAME).Target), a.meta, nil
}
