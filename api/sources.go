package api

import (
	"cmp"
	"net/netip"
	"slices"
)

// Source is an address that mail leaves from: what SES calls a dedicated IP. The
// operator keeps them in the configuration file.
type Source struct {
	Address netip.Addr
	Pool    string
}

// Dedicated gives the source of an address.
func (r *Rooms) Dedicated(text string) (Source, error) {
	if addr, err := netip.ParseAddr(text); err == nil {
		for _, s := range r.Sources {
			if s.Address == addr {
				return s, nil
			}
		}
	}
	return Source{}, NotFound("The dedicated IP <" + text + "> does not exist.")
}

// maxSources is the most sources or pools of a page.
const maxSources = 100

// DedicatedIn gives a page of the sources of a pool, all of them without a name.
func (r *Rooms) DedicatedIn(pool, token string, size int) ([]Source, string, error) {
	if pool != "" {
		if err := r.Pool(pool); err != nil {
			return nil, "", err
		}
	}
	size, err := Size(size, maxSources)
	if err != nil {
		return nil, "", err
	}
	list := slices.DeleteFunc(slices.Clone(r.Sources), func(s Source) bool { return pool != "" && s.Pool != pool })
	name := func(s Source) string { return s.Address.String() }
	slices.SortFunc(list, func(x, y Source) int { return cmp.Compare(name(x), name(y)) })
	return Page(list, name, token, size)
}

// Pool answers NotFound for a name that no source is in.
func (r *Rooms) Pool(name string) error {
	if slices.ContainsFunc(r.Sources, func(s Source) bool { return s.Pool == name }) {
		return nil
	}
	return NotFound("The pool <" + name + "> does not exist.")
}

// Pools gives a page of the names of the pools.
func (r *Rooms) Pools(token string, size int) ([]string, string, error) {
	size, err := Size(size, maxSources)
	if err != nil {
		return nil, "", err
	}
	names := make([]string, len(r.Sources))
	for i, s := range r.Sources {
		names[i] = s.Pool
	}
	slices.Sort(names)
	return Page(slices.Compact(names), func(name string) string { return name }, token, size)
}
