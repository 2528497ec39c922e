package receiving

import (
	"sync"
	"time"
)

// perHour is how many mails a person gets of us in an hour, all of them at once if
// they come so: whoever floods abuse@ must not flood him.
const perHour = 100

// people counts the mails to people. The zero value is ready.
type people struct {
	mu   sync.Mutex
	used float64
	at   time.Time
}

// may reports whether there may be one more, and when not, until when.
func (p *people) may(now time.Time) (bool, time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if past := now.Sub(p.at); past > 0 {
		p.used = max(0, p.used-past.Hours()*perHour)
		p.at = now
	}
	if p.used+1 > perHour {
		return false, now.Add(time.Duration((p.used + 1 - perHour) * float64(time.Hour) / perHour))
	}
	p.used++
	return true, time.Time{}
}
