package delivery

import (
	"sync"
	"time"
)

// Bounds of what is remembered of hosts that failed at BDAT.
const (
	waryFor = 12 * time.Hour
	waryMax = 1000
)

// wary remembers hosts that offered CHUNKING and hung up over a BDAT. There are
// such hosts, behind proxies that know no RFC 3030; with DATA they take the same
// mail. Without this a message for one would be lost with it again and again.
type wary struct {
	mu    sync.Mutex
	hosts map[string]time.Time
}

// add has the host spoken to with DATA for a while.
func (w *wary) add(host string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.hosts == nil {
		w.hosts = map[string]time.Time{}
	}
	if len(w.hosts) >= waryMax {
		clear(w.hosts) // to be learnt again, at the price of one attempt
	}
	w.hosts[host] = time.Now()
}

// of reports whether the host is one of them.
func (w *wary) of(host string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	since, found := w.hosts[host]
	if found && time.Since(since) > waryFor {
		delete(w.hosts, host)
		found = false
	}
	return found
}
