// Package simulator is a destination that never touches the network: mailboxes
// that take mail, bounce it or complain about it, so that a program can be tested
// against every answer without harm to anybody (spec section 9). It is a branch
// of delivery: a router and a carrier that stand before the real ones and decide,
// in one place, what is simulated.
// What a mailbox says after it took a message (Answers) follows from the outbox.
// It does not know the queue, DNS or a connection.
package simulator

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/sesame-mta/sesame/delivery"
	"github.com/sesame-mta/sesame/delivery/route"
	"github.com/sesame-mta/sesame/mail"
)

// AmazonDomain is the domain of Amazon's own simulator, which programs that were
// tested there have in their tests.
const AmazonDomain = "simulator.amazonses.com"

// Domains are the domains whose mail is simulated, in lower case.
type Domains []string

// Contains reports whether mail for a domain is simulated. Such recipients need
// no verification in the sandbox and are not charged to the daily quota, but do
// count to the rate (spec section 9).
func (d Domains) Contains(domain string) bool {
	return slices.Contains(d, strings.ToLower(strings.TrimSuffix(domain, ".")))
}

// site is the destination of all simulated mail. No host is called so.
const site = "(simulator)"

// routeLife is how long a route is good; it never changes.
const routeLife = time.Hour

// Simulator routes and carries the mail of its domains itself and hands all other
// to what stands behind it. It is safe for concurrent use.
type Simulator struct {
	Domains Domains
	Router  route.Router
	Carrier delivery.Carrier
}

var (
	_ route.Router     = (*Simulator)(nil)
	_ delivery.Carrier = (*Simulator)(nil)
)

// Route gives the route of a domain; that of a simulated one has no hosts.
func (s *Simulator) Route(ctx context.Context, domain string) (*route.Route, error) {
	if !s.Domains.Contains(domain) {
		return s.Router.Route(ctx, domain)
	}
	return &route.Route{Domain: domain, Site: site, Expires: time.Now().Add(routeLife)}, nil
}

// Carry gives the simulated outcomes of a job whose route is Route's.
func (s *Simulator) Carry(ctx context.Context, r *route.Route, j *delivery.Job) []mail.Outcome {
	if r.Site != site {
		return s.Carrier.Carry(ctx, r, j)
	}
	out := make([]mail.Outcome, len(j.To))
	for i, to := range j.To {
		reply, result := answer(to.Address)
		// As if it had come over the wire, so that events, bounce mail and log
		// look as they would for a real host.
		out[i] = mail.Outcome{Result: result, Reply: *reply, Remote: true, Host: to.Domain()}
	}
	return out
}

// The mailboxes that say something after they took a message.
const (
	complainer = "complaint"
	away       = "ooto"
)

// mailbox gives the name before the label.
func mailbox(to mail.Address) string {
	name, _, _ := strings.Cut(strings.ToLower(to.Local()), "+")
	return name
}

// answer is what the mailbox of an address says. A label does not change it.
func answer(to mail.Address) (*mail.Reply, mail.Result) {
	switch mailbox(to) {
	case "success", away, complainer:
		return mail.Refuse(250, 6, 0, "Message received"), mail.Delivered
	case "suppressionlist":
		return mail.Refuse(550, 1, 1, "As requested: user unknown (suppressed address: "+to.String()+")"), mail.Failed
	}
	// bounce, and every mailbox that there is not.
	return mail.Refuse(550, 1, 1, "user unknown"), mail.Failed
}
