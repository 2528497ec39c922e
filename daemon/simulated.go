package daemon

import (
	"cmp"
	"context"
	"errors"
	"strings"

	"github.com/sesame-mta/sesame/delivery/simulator"
	"github.com/sesame-mta/sesame/dispatch"
	"github.com/sesame-mta/sesame/event"
	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/queue"
)

// simulated gives the domains of the mailbox simulator, our own last.
func (d *Daemon) simulated() simulator.Domains {
	return simulator.Domains{simulator.AmazonDomain, d.simulatorDomain()}
}

func (d *Daemon) simulatorDomain() string {
	return strings.ToLower(cmp.Or(d.cfg.Service.SimulatorDomain, "simulator."+d.serviceDomain()))
}

// answers makes what simulated mailboxes say after they took a message.
func (d *Daemon) answers() *simulator.Answers {
	return simulator.NewAnswers(simulator.AnswersOptions{
		Domains: d.simulated(), Outbox: d.spool, Messages: originals{d.spool}, Complain: d.complain,
		Forwards: func(ctx context.Context, id mail.ID) bool {
			m, err := d.spool.Kept(ctx, id)
			return err != nil || d.forwards(event.Complaint, m)
		},
		Submit: d.desk, Minter: d.minter, Domain: d.serviceDomain(), Own: d.simulatorDomain(), Keys: d.systemKeys,
		Log: d.logger("simulator"),
	})
}

// complain tells of a simulated complaint as of any other.
func (d *Daemon) complain(ctx context.Context, id mail.ID, to []mail.ForwardPath, r event.Report) error {
	f := dispatch.Feedback{ID: id, Type: event.Complaint, Time: r.Arrival, Report: &r}
	for _, p := range to {
		f.Recipients = append(f.Recipients, event.Recipient{To: p})
	}
	err := d.dispatch.Feedback(ctx, f)
	if errors.Is(err, queue.ErrNotFound) {
		return nil // nobody is left to be told
	}
	return err
}
