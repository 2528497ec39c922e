package identity

import "github.com/sesame-mta/sesame/mail"

// MailFromDomain gives the MAIL FROM domain of the identity that covers an address,
// when it is set up (spec section 4.7); else the default takes its place, or mail is
// refused (MailFromRefused).
func (b *Book) MailFromDomain(accountID string, from mail.Address) string {
	i, _ := b.Covers(accountID, from)
	if i.MailFrom.Check.State != Success {
		return ""
	}
	return i.MailFrom.Domain
}

// ServesMailFrom reports whether the mail of a domain comes to us, since it is the
// MAIL FROM domain of a verified identity and its MX was seen to lead here.
func (b *Book) ServesMailFrom(domain string) bool {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.served[domain] > 0
}

// served gives the MAIL FROM domain whose mail comes to us; nil has none. One that
// is only named does not count: anybody may name one, before it is looked at.
func (e *entry) served() string {
	if e == nil || !e.Verified || e.MailFrom.Check.State != Success && e.MailFrom.Check.State != TemporaryFailure {
		return ""
	}
	return e.MailFrom.Domain
}

// serve keeps the domains that are served when one entry takes the place of
// another; either may be nil. It is called under the lock.
func (b *Book) serve(old, now *entry) {
	if d := old.served(); d != "" {
		if b.served[d]--; b.served[d] == 0 {
			delete(b.served, d)
		}
	}
	if d := now.served(); d != "" {
		b.served[d]++
	}
}
