package route

import (
	"math/rand/v2"
	"slices"
)

// Order gives the hosts for one attempt: ascending preference, equals in random
// order, so that the load spreads (RFC 5321 section 5.1). The route itself may
// be shared and is not changed. A nil rng uses the shared source.
func (r *Route) Order(rng *rand.Rand) []Host {
	hosts := slices.Clone(r.Hosts)
	shuffle := rand.Shuffle
	if rng != nil {
		shuffle = rng.Shuffle
	}
	shuffle(len(hosts), func(i, j int) { hosts[i], hosts[j] = hosts[j], hosts[i] })
	slices.SortStableFunc(hosts, func(a, b Host) int { return int(a.Pref) - int(b.Pref) })
	return hosts
}
