package resolver_test

import (
	"testing"

	"github.com/sesame-mta/sesame/internal/resolver"
	"github.com/sesame-mta/sesame/internal/testdns"
)

func TestAnAliasIsReadWithoutBeingFollowed(t *testing.T) {
	s := testdns.New(t, `
		a.example.org CNAME B.example.org
		b.example.org CNAME c.example.org
		c.example.org TXT "there"`)
	r, err := resolver.New(resolver.Options{Servers: []string{s.Addr}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	if to, _, err := r.CNAME(t.Context(), "A.example.org"); err != nil || to != "b.example.org" {
		t.Errorf("%q, %v", to, err)
	}
	if _, _, err := r.CNAME(t.Context(), "c.example.org"); resolver.KindOf(err) != resolver.NoData {
		t.Errorf("no alias: %v", err)
	}
	if _, _, err := r.CNAME(t.Context(), "d.example.org"); resolver.KindOf(err) != resolver.NotFound {
		t.Errorf("no name: %v", err)
	}
}
