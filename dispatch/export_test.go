package dispatch

import (
	"fmt"
	"time"

	"github.com/sesame-mta/sesame/mail"
)

// Stops has a memory stop so many senders, and gives how many it knows of then and
// whether the newest is one of them.
func Stops(n int, now time.Time) (known int, newest bool) {
	var s senders
	for i := range n {
		k := senderKey{"mx.example.org", "000000000001", fmt.Sprintf("n%d.example.com", i)}
		for to := range stopAfter {
			_, newest = s.refuse(k, []string{fmt.Sprintf("r%d@example.org", to)}, mail.Reply{}, now)
		}
		until, _ := s.ask(k, now)
		newest = newest && !until.IsZero()
	}
	return len(s.all(now)), newest
}
