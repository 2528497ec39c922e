package route

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/sesame-mta/sesame/internal/resolver"
)

// usable gives the hosts of the records that have a host name, each once, by
// preference and then name, so that equal records make equal routes.
func usable(records []resolver.MX) []Host {
	var hosts []Host
	for _, mx := range records {
		if hostname(mx.Host) {
			hosts = append(hosts, Host{Name: mx.Host, Pref: mx.Pref})
		}
	}
	slices.SortFunc(hosts, func(a, b Host) int {
		return cmp.Or(cmp.Compare(a.Pref, b.Pref), strings.Compare(a.Name, b.Name))
	})
	seen := make(map[string]bool, len(hosts))
	hosts = slices.DeleteFunc(hosts, func(h Host) bool {
		again := seen[h.Name]
		seen[h.Name] = true
		return again
	})
	return hosts[:min(len(hosts), MaxHosts)]
}

// hostname reports whether a name can be a host: letters, digits and hyphens
// (RFC 1123 section 2.1), and the underscore that is seen in the wild; not an
// address, which some people put into MX records.
func hostname(name string) bool {
	if name == "" || len(name) > 253 {
		return false
	}
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || len(label) > 63 {
			return false
		}
		for i := range len(label) {
			c := label[i]
			if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '_' {
				return false
			}
		}
	}
	_, err := netip.ParseAddr(name)
	return err != nil
}

// withoutUs takes out the hosts from our own preference value on: mail given to
// them would come back to us (RFC 5321 section 5.1).
func (r *Resolver) withoutUs(ctx context.Context, hosts []Host) []Host {
	ours := r.ours(ctx, hosts)
	for i := range hosts {
		if ours[i] {
			pref := hosts[i].Pref
			return slices.DeleteFunc(hosts, func(h Host) bool { return h.Pref >= pref })
		}
	}
	return hosts
}

// ours reports for each host whether it is this one, by name or address. A host
// whose addresses cannot be had now is taken for another.
func (r *Resolver) ours(ctx context.Context, hosts []Host) []bool {
	ours := make([]bool, len(hosts))
	own := r.ownAddrs()
	var wg sync.WaitGroup
	for i, h := range hosts {
		if h.Name == r.o.Hostname {
			ours[i] = true
			continue
		}
		if len(own) == 0 {
			continue
		}
		wg.Go(func() {
			addrs, _ := r.o.DNS.Addrs(ctx, h.Name)
			ours[i] = slices.ContainsFunc(addrs, func(a netip.Addr) bool { return own[a.Unmap()] })
		})
	}
	wg.Wait()
	return ours
}

func (r *Resolver) ownAddrs() map[netip.Addr]bool {
	if r.o.OwnAddrs == nil {
		return nil
	}
	own := make(map[netip.Addr]bool)
	for _, a := range r.o.OwnAddrs() {
		if a = a.Unmap(); !r.allowed(a) {
			own[a] = true
		}
	}
	return own
}

// maxSite is the longest name of a site; a longer one is cut and hashed.
const maxSite = 200

// site names a set of hosts, whatever their preferences.
func site(hosts []Host) string {
	names := make([]string, len(hosts))
	for i, h := range hosts {
		names[i] = h.Name
	}
	slices.Sort(names)
	s := strings.Join(names, ",")
	if len(s) <= maxSite {
		return s
	}
	sum := sha256.Sum256([]byte(s))
	short := names[0][:min(len(names[0]), 100)]
	return short + "+" + strconv.Itoa(len(names)-1) + "~" + hex.EncodeToString(sum[:16])
}
