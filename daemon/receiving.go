package daemon

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/sesame-mta/sesame/account"
	"github.com/sesame-mta/sesame/account/suppression"
	"github.com/sesame-mta/sesame/dispatch"
	"github.com/sesame-mta/sesame/internal/resolver"
	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/receiving"
	"github.com/sesame-mta/sesame/smtpd"
)

// comesBack reports whether mail leaves under reverse-paths of our own.
func (d *Daemon) comesBack() bool {
	return len(d.cfg.Listen.Feedback) > 0 && d.cfg.Service.Domain != ""
}

// returnDomains gives the domains of such reverse-paths; nil where there are none.
func (d *Daemon) returnDomains() func(accountID string, from mail.Address) string {
	if !d.comesBack() {
		return nil
	}
	return d.returnDomain
}

func (d *Daemon) returnDomain(accountID string, from mail.Address) string {
	if own := d.identities.MailFromDomain(accountID, from); own != "" {
		return own
	}
	return d.cfg.Service.Domain
}

// buildReceiving makes what takes mail from anybody.
func (d *Daemon) buildReceiving(dns *resolver.Resolver) error {
	o := receiving.Options{
		Hostname: d.cfg.Hostname, Domain: d.serviceDomain(), ServesMailFrom: d.identities.ServesMailFrom,
		Providers: d.cfg.Feedback.Providers, DNS: texts{dns}, Minter: d.minter, Messages: d.queue,
		Dispatch: teller{d}, Submit: d.desk, Keys: d.systemKeys, Forgive: d.forgive, Forwards: d.forwards,
		Log: d.logger("receiving"), Metrics: d.metrics,
	}
	if p := d.cfg.Service.Postmaster; p != "" {
		var err error
		if o.Postmaster, err = mail.ParseForwardPath(p); err != nil {
			return fmt.Errorf("service.postmaster: %w", err)
		}
	}
	d.receiver = receiving.New(o)
	return nil
}

// teller shows receiving the dispatcher, which is built after it.
type teller struct{ d *Daemon }

func (t teller) Feedback(ctx context.Context, f dispatch.Feedback) error {
	return t.d.dispatch.Feedback(ctx, f)
}

// texts shows receiving the resolver.
type texts struct{ dns *resolver.Resolver }

func (t texts) TXT(ctx context.Context, name string) ([]string, error) {
	list, _, err := t.dns.TXT(ctx, name)
	return list, err
}

// forgive takes an address off an account's suppression list that is there for a
// complaint.
func (d *Daemon) forgive(ctx context.Context, accountID string, to mail.Address) error {
	e, err := d.suppression.Get(ctx, accountID, to)
	if err == nil && e.Reason == suppression.Complaint {
		err = d.suppression.Delete(ctx, accountID, to)
	}
	if errors.Is(err, account.ErrNotFound) {
		return nil
	}
	return err
}

// doors gives the listeners to the SMTP server, those that are open to anybody
// apart from the others.
func (d *Daemon) doors(o *smtpd.Options) {
	if !d.comesBack() {
		o.Starttls = d.listeners.starttls
		return
	}
	o.Inbound = d.receiver
	for i, addr := range d.cfg.Listen.STARTTLS {
		to := &o.Starttls
		if slices.Contains(d.cfg.Listen.Feedback, addr) {
			to = &o.Feedback
		}
		*to = append(*to, d.listeners.starttls[i])
	}
}
