package receiving

import (
	"context"
	"slices"
	"strings"

	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/mail/verp"
	"github.com/sesame-mta/sesame/smtpd"
)

// roles are the addresses of the service domain that anybody may write to: the
// first is for feedback loops, the others must be there (RFC 5321 section 4.5.1, RFC
// 2142 sections 4 and 5).
var roles = []string{"fbl", "abuse", "postmaster"}

// role gives the role that an address is, if it is one.
func (r *Receiver) role(a mail.Address) (string, bool) {
	local := strings.ToLower(a.Local())
	switch d := a.Domain(); {
	case d == r.o.Domain, d == r.o.Hostname:
		return local, slices.Contains(roles, local)
	case r.Serves(d):
		return local, local == "postmaster"
	}
	return "", false
}

// Serves reports whether the mail of a domain comes to us.
func (r *Receiver) Serves(domain string) bool {
	return domain == r.o.Domain || domain == r.o.Hostname || r.o.ServesMailFrom != nil && r.o.ServesMailFrom(domain)
}

// message gives the message that an address is the reverse-path of. Its id must be
// one of ours; the domain may have been given up since.
func (r *Receiver) message(a mail.Address) (mail.ID, bool) {
	id, ok := verp.ID(a)
	return id, ok && r.o.Minter.Verify(id)
}

// Recipient implements smtpd.Inbound.
func (r *Receiver) Recipient(_ context.Context, to mail.ForwardPath) error {
	if _, ok := r.message(to.Address); ok {
		return nil
	}
	if _, ok := r.role(to.Address); ok {
		return nil
	}
	if r.Serves(to.Domain()) {
		return errNoMailbox
	}
	return smtpd.ErrNotOurs
}
