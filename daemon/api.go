package daemon

import (
	"context"
	"crypto/tls"

	"github.com/sesame-mta/sesame/account/identity"
	"github.com/sesame-mta/sesame/api"
	"github.com/sesame-mta/sesame/api/ses"
	"github.com/sesame-mta/sesame/api/sesv2"
	"github.com/sesame-mta/sesame/api/sns"
	"github.com/sesame-mta/sesame/config"
)

// serveAPI serves the HTTP API until ctx ends; nothing when it is off.
func (d *Daemon) serveAPI(ctx context.Context) error {
	l := d.listeners.api
	if l == nil {
		return nil
	}
	var mailLink func(context.Context, identity.Identity, string) error
	if d.mailsLinks() {
		mailLink = d.mailLink
	}
	rooms := &api.Rooms{
		Region: d.cfg.Region, Hostname: d.cfg.Hostname, Domain: d.serviceDomain(),
		Desk: d.desk, Accounts: d.accounts, Identities: d.identities, Checker: d.checker, MailLink: mailLink, Sets: d.sets,
		Destinations: d.destinations, Topics: d.topics, Announce: d.announce, Suppression: d.suppression, Templates: d.templates,
		Usage: d.spool, Contact: d.contact,
		MessageBytes: d.cfg.Limits.MessageBytes, LineOctets: d.cfg.Limits.LineLength, Recipients: d.cfg.Limits.Recipients,
		Reputation: d.reputation, Imports: d.imports,
		Trace: d.trace, Messages: d.spool,
	}
	for _, source := range d.cfg.Sources {
		rooms.Sources = append(rooms.Sources, api.Source{Address: source.Address, Pool: source.Pool})
	}
	door := api.New(api.Options{
		Region: d.cfg.Region, Keys: d.auth, Spool: d.spool, Query: ses.New(rooms), REST: sesv2.New(rooms), Topics: sns.New(rooms),
		Log: d.logger("api"), Metrics: d.metrics,
	})
	var conf *tls.Config
	if _, inTLS, _ := config.SplitAPI(d.cfg.Listen.API); inTLS {
		conf = d.tlsConfig()
	}
	l = api.Bound(l, d.cfg.Limits.Connections, d.cfg.Limits.ConnectionsPerIP)
	return api.Serve(ctx, l, conf, door, stopTime, d.logger("api"))
}
