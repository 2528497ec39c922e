package submission

import (
	"slices"
	"sync"
	"time"

	"github.com/sesame-mta/sesame/mail"
)

// keys names the keys of the From field's domain, then those of the service
// domain (spec section 3.3: always a second signature), unless they are the same.
func (d *Desk) keys(account string, from mail.Address, now time.Time) []string {
	refs := d.senderKeys(account, from, now)
	if d.o.ServiceKeys == nil {
		return refs
	}
	for _, ref := range d.o.ServiceKeys() {
		if !slices.Contains(refs, ref) {
			refs = append(refs[:len(refs):len(refs)], ref)
		}
	}
	return refs
}

// senderKeys names the keys of the From field's domain. The rules saw to it that
// every From parses; the first one signs.
func (d *Desk) senderKeys(account string, from mail.Address, now time.Time) []string {
	if d.o.Keys == nil || from.IsZero() {
		return nil
	}
	domain := from.Domain()
	refs := d.o.Keys(account, from)
	if len(refs) == 0 && d.warned.first(account+" "+domain, now) {
		d.o.Log.Warn("mail goes unsigned, the identity has no DKIM key", "account", account, "domain", domain)
	}
	return refs
}

// unsigned remembers who was warned of, so that the log has one line an hour for
// each account and domain.
type unsigned struct {
	mu sync.Mutex
	at map[string]time.Time
}

// maxWarned bounds the memory; beyond it everything is forgotten and warned of
// again.
const maxWarned = 10_000

func (u *unsigned) first(key string, now time.Time) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if last, ok := u.at[key]; ok && now.Sub(last) < time.Hour {
		return false
	}
	if u.at == nil || len(u.at) >= maxWarned {
		u.at = make(map[string]time.Time)
	}
	u.at[key] = now
	return true
}
