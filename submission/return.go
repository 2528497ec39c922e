package submission

import (
	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/mail/verp"
	"github.com/sesame-mta/sesame/queue"
)

// comesBack gives a message a reverse-path that brings its bounces to us, and has
// its record kept for them. A null reverse-path stays: nobody wants the bounces of
// a bounce (RFC 5321 section 4.5.5).
func (d *Desk) comesBack(m *queue.Message, from mail.Address) {
	if d.o.Return == nil || m.From.Null() || from.IsZero() {
		return
	}
	domain := d.o.Return(m.Account, from)
	if domain == "" {
		return
	}
	address, err := verp.Address(m.ID, domain)
	if err != nil {
		d.o.Log.Warn("bounces do not come back, the domain for them is no domain", "id", m.ID, "domain", domain, "err", err)
		return
	}
	m.Return, m.Keep = address, true
}
