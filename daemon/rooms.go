package daemon

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"

	"github.com/sesame-mta/sesame/account"
	"github.com/sesame-mta/sesame/account/identity"
	"github.com/sesame-mta/sesame/account/template"
	"github.com/sesame-mta/sesame/api/admin"
	"github.com/sesame-mta/sesame/auth"
	"github.com/sesame-mta/sesame/auth/sigv4"
	"github.com/sesame-mta/sesame/config"
	"github.com/sesame-mta/sesame/delivery"
	"github.com/sesame-mta/sesame/delivery/egress"
	"github.com/sesame-mta/sesame/delivery/route"
	"github.com/sesame-mta/sesame/delivery/simulator"
	"github.com/sesame-mta/sesame/dispatch"
	"github.com/sesame-mta/sesame/event/contact"
	"github.com/sesame-mta/sesame/event/forward"
	"github.com/sesame-mta/sesame/internal/failpoint"
	"github.com/sesame-mta/sesame/internal/keyfile"
	"github.com/sesame-mta/sesame/internal/resolver"
	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/queue"
	"github.com/sesame-mta/sesame/receiving"
	"github.com/sesame-mta/sesame/smtpd"
	"github.com/sesame-mta/sesame/store/bolt"
	"github.com/sesame-mta/sesame/submission"
	"github.com/sesame-mta/sesame/submission/admission"
)

// openCertificate reads the configured certificate, or makes one.
func (d *Daemon) openCertificate(context.Context) error {
	certFile, keyFile := d.cfg.TLS.Certificate, d.cfg.TLS.Key
	log := d.logger("daemon")
	if certFile == "" {
		var err error
		certFile, keyFile, err = selfSigned(filepath.Join(d.cfg.DataDir, "tls"), d.cfg.Hostname, log)
		if err != nil {
			return fmt.Errorf("make certificate: %w", err)
		}
	}
	cert, err := loadCertificate(certFile, keyFile, log)
	d.cert = cert
	return err
}

// openData opens what lies under data_dir: key file, spool, books.
func (d *Daemon) openData(context.Context) error {
	if err := os.MkdirAll(d.cfg.DataDir, 0o700); err != nil {
		return fmt.Errorf("data_dir: %w", err)
	}
	keys, err := keyfile.Open(d.cfg.DataDir)
	if err != nil {
		return err
	}
	d.keys = keys
	points, err := failpoint.FromEnv()
	if err != nil {
		return err
	}
	if points != nil {
		d.logger("daemon").Warn("failures are injected by the environment", "text", failpoint.Env)
	}
	o := bolt.Options{Dir: d.cfg.DataDir, Log: d.logger("store"), Metrics: d.metrics, Failpoints: points,
		KeepFor: cmp.Or(d.cfg.Feedback.KeepFor, -1), KeepBytes: d.cfg.Feedback.KeepBytes}
	if d.spool, err = bolt.Open(o); err != nil {
		return err
	}
	d.onClose(d.spool.Close)
	if d.books, err = bolt.OpenBooks(o); err != nil {
		return err
	}
	d.onClose(d.books.Close)
	return d.openTrace()
}

func (d *Daemon) openBooks(ctx context.Context) error {
	var err error
	d.accounts, err = account.Open(ctx, account.Options{Directory: d.books, Keys: d.keys,
		Derive:         func(secret string) string { return sigv4.SMTPPassword(secret, d.cfg.Region) },
		DeriveImported: deriveImported, Ended: d.endSessions, Log: d.logger("account")})
	if err != nil {
		return err
	}
	d.auth = auth.NewBook(d.accounts, d.strict())
	var sources []identity.Source
	for _, s := range d.cfg.Sources {
		sources = append(sources, identity.Source{Address: s.Address, EHLO: s.EHLO})
	}
	d.identities, err = identity.Open(ctx, identity.Options{Directory: d.books, Keys: d.keys,
		Host: d.cfg.Hostname, Service: d.cfg.Service.Domain, Feedback: d.cfg.Service.FeedbackHost, Sources: sources,
		Removing: d.removeIdentity, Changed: d.identityChanged, Log: d.logger("identity")})
	if err != nil {
		return err
	}
	if err := d.openDestinations(ctx); err != nil {
		return err
	}
	if err := d.openSets(ctx); err != nil {
		return err
	}
	if d.templates, err = template.Open(ctx, d.books); err != nil {
		return err
	}
	if err := d.openSuppression(ctx); err != nil {
		return err
	}
	if err := d.openReputation(ctx); err != nil {
		return err
	}
	return d.ensureSystemKeys(ctx)
}

// serviceDomain is the domain that our own mail comes from.
func (d *Daemon) serviceDomain() string {
	if d.cfg.Service.Domain != "" {
		return d.cfg.Service.Domain
	}
	return d.cfg.Hostname
}

// buildQueue joins spool, queue, the door and the bounce mail.
func (d *Daemon) buildQueue(context.Context) error {
	minter, err := mail.NewMinter(d.keys.Key("message-id", 32), d.spool.Lane(), d.spool.Epoch())
	if err != nil {
		return err
	}
	d.minter = minter
	d.queue = queue.New(queue.Options{Spool: d.spool, Trace: d.trace, Log: d.logger("queue"), Metrics: d.metrics,
		Ready:    func(site string) { d.dispatch.Ready(site) },
		Unrouted: func(domain string) { d.dispatch.Unrouted(domain) }})
	simulated := d.simulated()
	d.simulations = simulated
	d.desk = submission.New(submission.Options{
		Hostname: d.cfg.Hostname, Domain: d.serviceDomain(), Spool: d.spool, Queue: d.queue, Minter: minter,
		Rules: admission.Rules(admission.Options{Region: d.cfg.Region, Identities: covered{d.identities},
			Paused: d.identities.PausedFor, MailFromRefused: d.identities.MailFromRefused,
			Throttling: admission.Throttling{Rates: &d.rates, SigV2: float64(d.cfg.Limits.SigV2Rate),
				Queue: d.cfg.Limits.QueueOnThrottle},
			Suppressed: d.suppressed, MIMEParts: d.cfg.Limits.MIMEParts, IsSimulated: simulated.Contains}), IsSimulated: simulated.Contains,
		Region: d.cfg.Region, FeedbackKey: d.keys.Key("feedback-id", 32), Sets: d.sets,
		IdentityDefaults: d.identities.Defaults,
		Renew:            d.auth.Renew, Unsubscribe: d.unsubscribeAddress(), Return: d.returnDomains(),
		Keys: d.identities.SenderKeys, ServiceKeys: d.serviceKeys, Interest: d.interest, Observe: d.observeSend, Now: d.queue.Now,
		Published: d.published, IdentityName: d.identityName,
		MessageBytes: d.cfg.Limits.MessageBytes, MaxAge: d.cfg.Delivery.MaxAge,
		ShowClient: d.cfg.Delivery.ShowClientAddress, Trace: d.trace, Log: d.logger("submission"), Metrics: d.metrics,
	})
	d.contact = contact.New(contact.Options{Domain: d.serviceDomain(), Submit: d.desk, Minter: minter,
		Keys: d.systemKeys, Log: d.logger("event")})
	d.forward = forward.New(forward.Options{
		Hostname: d.cfg.Hostname, Domain: d.serviceDomain(), Outbox: d.spool, Messages: originals{d.spool},
		Submit: d.desk, Minter: minter, Keys: d.systemKeys, Log: d.logger("event"), Metrics: d.metrics,
	})
	return nil
}

// buildDelivery joins routing, carrier and dispatch.
func (d *Daemon) buildDelivery(context.Context) error {
	dns, err := resolver.New(resolver.Options{Servers: d.cfg.DNS.Resolvers, Log: d.logger("resolver"),
		IPv6: d.sendsIPv6()})
	if err != nil {
		return err
	}
	ro := route.Options{DNS: dns, Hostname: d.cfg.Hostname, OwnAddrs: d.ownAddrs,
		AllowNetworks: d.cfg.Delivery.AllowNetworks, Strict: d.strict(), Log: d.logger("route"), Metrics: d.metrics}
	var smart *delivery.Smarthost
	if d.cfg.Delivery.Smarthost != "" {
		if ro.Smarthost, smart, err = d.smarthost(); err != nil {
			return err
		}
	}
	if d.o.Carrier != nil {
		// What never touches the network needs no DNS either.
		ro.Smarthost = &route.Host{Name: "captured", Port: 25}
	}
	router := route.New(ro)
	d.onClose(func() error { dns.Close(); return nil })
	d.onClose(func() error { router.Close(); return nil })
	if d.carrier = d.o.Carrier; d.carrier == nil {
		if d.carrier, err = d.smtpCarrier(dns, smart); err != nil {
			return err
		}
	}
	if err := d.buildReceiving(dns); err != nil {
		return err
	}
	var (
		way  route.Router     = router
		cart delivery.Carrier = d.carrier
	)
	if d.comesBack() {
		own := &receiving.Own{Receiver: d.receiver, Router: router, Carrier: d.carrier}
		way, cart = own, own
	}
	sim := &simulator.Simulator{Domains: d.simulated(), Router: way, Carrier: cart}
	d.dispatch = dispatch.New(dispatch.Options{
		Queue: d.queue, Spool: d.spool, Router: sim, Carrier: sim, Signer: signer{d.identities},
		Limiter: egress.NewLimiter(egress.LimiterOptions{Max: d.cfg.Delivery.PerDestination}), Scanner: newScanner(d.cfg),
		Sources: d.sources, IdentityVersion: d.identities.Version, Retry: d.cfg.Delivery.Retry, Concurrency: d.cfg.Delivery.Concurrency,
		Suppression: d.suppression, Interest: d.interest, Observe: d.observe, Late: d.late, Trace: d.trace, Log: d.logger("dispatch"), Metrics: d.metrics,
	})
	return nil
}

func (d *Daemon) smtpCarrier(dns *resolver.Resolver, smart *delivery.Smarthost) (delivery.Carrier, error) {
	o := delivery.Options{
		Hostname: d.cfg.Hostname, Port: uint16(d.cfg.Delivery.Port), Resolver: dns,
		AllowNetworks: d.cfg.Delivery.AllowNetworks, TLSMinVersion: tlsVersions[d.cfg.Delivery.TLSMinVersion],
		MessagesPerConnection: d.cfg.Delivery.MessagesPerConnection, Send8BitAnyway: d.cfg.Delivery.Send8BitAnyway,
		Smarthost: smart, Log: d.logger("delivery"), Metrics: d.metrics,
	}
	for _, s := range d.cfg.Sources {
		o.Sources = append(o.Sources, egress.Source{Name: s.Name, Addr: s.Address, EHLO: s.EHLO, Pool: s.Pool})
	}
	c, err := delivery.New(o)
	if err != nil {
		return nil, err
	}
	d.onClose(func() error { return c.Close(context.Background()) })
	d.sources = c.Sources()
	return c, nil
}

// buildDoors makes the SMTP server and the admin server.
func (d *Daemon) buildDoors(context.Context) error {
	o := smtpd.Options{
		Hostname: d.cfg.Hostname, Strict: d.strict(), ImplicitTLS: d.listeners.implicit,
		TLS: d.tlsConfig(), Auth: d.auth, Desk: d.desk, Refused: d.desk.Refused, Trace: d.trace,
		Limits: smtpd.Limits{
			MessageBytes: d.cfg.Limits.MessageBytes, Recipients: d.cfg.Limits.Recipients,
			Connections: d.cfg.Limits.Connections, ConnectionsPerIP: d.cfg.Limits.ConnectionsPerIP,
			MessagesPerConnection: d.cfg.Limits.MessagesPerConnection, IdleTimeout: d.cfg.Limits.IdleTimeout,
			LineOctets: d.cfg.Limits.LineLength,
		},
		Log: d.logger("smtpd"), Metrics: d.metrics,
	}
	d.doors(&o)
	var err error
	if len(d.cfg.Listen.TrustedNetworks) > 0 {
		if o.TrustedPrincipal, err = d.auth.Trusted(d.cfg.Listen.TrustedAccount); err != nil {
			return fmt.Errorf("listen.trusted_account: %w", err)
		}
		o.Trusted = d.cfg.Listen.TrustedNetworks
	}
	if d.smtpd, err = smtpd.New(o); err != nil {
		return err
	}
	var mailLink func(context.Context, identity.Identity, string) error
	if d.mailsLinks() {
		mailLink = d.mailLink
	}
	d.admin = admin.New(admin.Options{
		Checker: d.checker, MailLink: mailLink,
		Hostname: d.cfg.Hostname, Version: d.o.Version, Accounts: d.accounts, Identities: d.identities,
		Sets: d.sets, Templates: d.templates, Destinations: d.destinations, Queue: operated{d.queue, d.dispatch}, Spool: d.spool, Cancelled: d.dispatch.Cancelled, Usage: d.spool, Rates: &d.rates, Contact: d.contact, NoSandbox: !d.cfg.Sandbox,
		Trace: d.trace, Holding: d.dispatch.Holding, InForce: d.dispatch.InForce, Suppression: d.suppression, Reputation: d.reputation, RemoveOwned: d.removeOwned, TellAgain: d.tellAgain, RotateKey: d.rotateKey, Log: d.logger("admin"),
	})
	return nil
}

func (d *Daemon) strict() bool { return d.cfg.Profile == config.ProfileSES }

func (d *Daemon) sendsIPv6() bool {
	for _, s := range d.cfg.Sources {
		if s.Address.Is6() {
			return true
		}
	}
	return false
}

// ownAddrs gives the addresses of this machine.
func (d *Daemon) ownAddrs() []netip.Addr {
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		d.logger("daemon").Warn("own addresses not known", "err", err)
		return nil
	}
	var out []netip.Addr
	for _, a := range addrs {
		if p, err := netip.ParsePrefix(a.String()); err == nil {
			out = append(out, p.Addr())
		}
	}
	return out
}

func (d *Daemon) smarthost() (*route.Host, *delivery.Smarthost, error) {
	host, port, ok := config.SplitHostPort(d.cfg.Delivery.Smarthost)
	if !ok {
		return nil, nil, errors.New("delivery.smarthost: not host:port")
	}
	password, err := d.cfg.Delivery.Password()
	if err != nil {
		return nil, nil, err
	}
	h := &route.Host{Name: host, Port: port}
	if ip, err := netip.ParseAddr(host); err == nil {
		h.Addr = ip
	}
	modes := map[string]delivery.TLSMode{config.TLSOpportunistic: 0, config.TLSNone: delivery.ClearText,
		config.TLSStart: delivery.StartTLS, config.TLSImplicit: delivery.ImplicitTLS}
	return h, &delivery.Smarthost{TLS: modes[d.cfg.Delivery.SmarthostTLS],
		User: d.cfg.Delivery.SmarthostUser, Password: password}, nil
}
