package dispatch_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sesame-mta/sesame/delivery"
	"github.com/sesame-mta/sesame/delivery/route"
	"github.com/sesame-mta/sesame/mail"
)

// TestNothingIsEverStuck lets sites fail, slow down, move and vanish with few
// places to share, and then recover: everything must arrive, once.
func TestNothingIsEverStuck(t *testing.T) {
	for seed := range uint64(10) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			world(t, func(t *testing.T, r *rig) {
				var mu sync.Mutex
				rng := rand.New(rand.NewPCG(seed, 1))
				well := false
				delivered := make(map[string]int)
				roll := func(n int) int {
					mu.Lock()
					defer mu.Unlock()
					if well {
						return n - 1
					}
					return rng.IntN(n)
				}
				r.options.Concurrency = 1 + int(seed)%4
				r.total = 20
				r.resolve = func(_ context.Context, d string) (*route.Route, error) {
					time.Sleep(time.Duration(roll(100)) * time.Millisecond)
					switch roll(8) {
					case 0:
						return nil, mail.Refuse(421, 4, 0, "Unable to lookup DNS")
					case 1:
						panic("a record from hell")
					}
					return &route.Route{
						Domain: d, Site: fmt.Sprintf("site%d", roll(3)),
						Expires: time.Now().Add(time.Duration(roll(600)) * time.Second),
					}, nil
				}
				r.carry = func(_ context.Context, _ *route.Route, j *delivery.Job) []mail.Outcome {
					time.Sleep(time.Duration(roll(3000)) * time.Millisecond)
					switch roll(10) {
					case 0, 1:
						return all(j, unreachable())
					case 2:
						return all(j, refused(421, 3, 2, "busy"))
					case 3:
						panic("a reply from hell")
					}
					var out []mail.Outcome
					for _, to := range j.To {
						if roll(6) == 0 {
							out = append(out, refused(451, 3, 0, "greylisted"))
							continue
						}
						mu.Lock()
						delivered[to.String()]++
						mu.Unlock()
						out = append(out, accepted())
					}
					return out
				}
				r.begin()
				const n = 300
				for i := range n {
					r.send(fmt.Sprintf("a%d@d%d.example", i, roll(7)), fmt.Sprintf("b%d@d%d.example", i, roll(7)))
					time.Sleep(time.Duration(roll(500)) * time.Millisecond)
				}
				time.Sleep(time.Hour)
				mu.Lock()
				well = true
				mu.Unlock()
				time.Sleep(12 * time.Hour)
				synctest.Wait()
				if left := len(r.entries()); left != 0 {
					t.Errorf("%d entries are stuck", left)
				}
				if len(delivered) != 2*n {
					t.Errorf("%d recipients had mail, want %d", len(delivered), 2*n)
				}
				for to, k := range delivered {
					if k != 1 {
						t.Errorf("%s had %d copies", to, k)
					}
				}
			})
		})
	}
}
