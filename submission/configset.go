package submission

import (
	"time"

	"github.com/sesame-mta/sesame/account/configset"
	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/mail/message"
	"github.com/sesame-mta/sesame/queue"
	"github.com/sesame-mta/sesame/submission/admission"
)

// Sets finds configuration sets; *configset.Book.
type Sets interface {
	Find(accountID, name string) (configset.Set, bool)
}

// defaults is what the identity of a From field has for mail that does not say,
// and the name of that identity.
type defaults struct {
	set  string
	tags map[string]string
	name string
}

func (d *Desk) defaults(account string, from mail.Address) (out defaults) {
	if from.IsZero() {
		return defaults{}
	}
	if d.o.IdentityDefaults != nil {
		out.set, out.tags = d.o.IdentityDefaults(account, from)
	}
	if d.o.IdentityName != nil {
		out.name = d.o.IdentityName(account, from)
	}
	return out
}

// author gives the first address of the From field. One that cannot be read gives
// none, and a rule refuses it.
func author(s *message.Section) mail.Address {
	field, _ := s.Get("From")
	from, err := message.Addresses(field.Value())
	if err != nil || len(from) == 0 {
		return mail.Address{}
	}
	return from[0]
}

// set finds the configuration set of a message: the one of the request, else the
// one in its header, else the credential's default, else the identity's, else none (spec section 3.1; the
// credential's is ours, for programs that cannot add a field). Only the first
// field counts, and an empty one is as none.
func (d *Desk) set(r *Request, s *message.Section, identity defaults) (string, *configset.Set) {
	name := r.ConfigurationSet
	if name == "" {
		field, _ := s.Get(admission.ConfigSetField)
		name = field.Value()
	}
	if name == "" {
		name = r.Principal.ConfigurationSet
	}
	if name == "" {
		name = identity.set
	}
	if name == "" || d.o.Sets == nil {
		return name, nil
	}
	if found, ok := d.o.Sets.Find(r.Principal.Account, name); ok {
		return name, &found
	}
	return name, nil
}

// under puts a message under its configuration set, and gives how long to try.
func (d *Desk) under(m *queue.Message, set *configset.Set) time.Duration {
	if set == nil {
		return d.o.MaxAge
	}
	m.ConfigSet, m.Pool, m.RequireTLS = set.Name, set.Pool, set.TLS == configset.Require
	if set.MaxDelivery > 0 {
		return set.MaxDelivery
	}
	return d.o.MaxAge
}
