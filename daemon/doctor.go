package daemon

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/sesame-mta/sesame/account/identity"
	"github.com/sesame-mta/sesame/api/admin"
	"github.com/sesame-mta/sesame/config"
	"github.com/sesame-mta/sesame/internal/keyfile"
	"github.com/sesame-mta/sesame/internal/resolver"
	"github.com/sesame-mta/sesame/store/bolt"
)

// The levels of a Finding.
const (
	DoctorOK   = "ok"
	DoctorWarn = "warn"
	DoctorFail = "fail"
)

// Finding is what Doctor says of one thing.
type Finding struct {
	Check string `json:"check"`
	Level string `json:"level"`
	What  string `json:"what"`
	// Do is what the operator should do; empty when there is nothing.
	Do string `json:"do,omitempty"`
}

// DoctorOptions is what Doctor needs to know.
type DoctorOptions struct {
	Config *config.Config
	// Outbound is a mail host, as host or host:port, to which port 25 is tried;
	// empty is the smarthost, or nobody.
	Outbound string
	// Signed is a domain whose MX is known to be signed with DNSSEC, to see
	// whether the name server validates; empty is ietf.org.
	Signed string
}

// checkTime bounds each check.
const checkTime = 30 * time.Second

// doctor is one look at a host.
type doctor struct {
	o       DoctorOptions
	cfg     *config.Config
	dns     *resolver.Resolver
	service string            // the service domain
	records []identity.Record // what the server asks to be published
	unknown error             // why records are not known
	running bool
}

// Doctor looks at this host as the world sees it, whether the server runs or not,
// and changes nothing.
func Doctor(ctx context.Context, o DoctorOptions) ([]Finding, error) {
	d := &doctor{o: o, cfg: o.Config, service: strings.ToLower(cmp.Or(o.Config.Service.Domain, o.Config.Hostname))}
	var err error
	// Both families: an EHLO name may have addresses that we do not send from.
	if d.dns, err = resolver.New(resolver.Options{Servers: d.cfg.DNS.Resolvers, IPv6: true}); err != nil {
		return nil, err
	}
	defer d.dns.Close()
	d.learn(ctx)
	checks := []func(context.Context) []Finding{d.clock, d.disk, d.certificate, d.relay, d.scanner, d.outbound, d.feedback}
	names, found := d.resolver(ctx)
	if names {
		checks = append(checks, d.addresses, d.dkim, d.mx)
	}
	results := make([][]Finding, len(checks))
	var g errgroup.Group
	for i, check := range checks {
		g.Go(func() error {
			ctx, cancel := context.WithTimeout(ctx, checkTime)
			defer cancel()
			results[i] = check(ctx)
			return nil
		})
	}
	_ = g.Wait() // what goes wrong is a finding
	for _, r := range results {
		found = append(found, r...)
	}
	return found, ctx.Err()
}

// learn asks the server for its records, or reads them while it is stopped.
func (d *doctor) learn(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, checkTime)
	defer cancel()
	client := admin.NewClient(d.cfg.Listen.Admin)
	if _, err := client.Status(ctx); err == nil {
		d.running = true
		for r, err := range client.HostRecords(ctx) {
			if err != nil {
				d.unknown = err
				return
			}
			d.records = append(d.records, r)
		}
		return
	}
	if d.unknown = d.read(ctx); errors.Is(d.unknown, os.ErrNotExist) {
		d.unknown = errors.New("the server was never started")
	}
}

// read opens the books of a stopped server for a moment.
func (d *doctor) read(ctx context.Context) error {
	// What is not there must not be made here.
	if _, err := os.Stat(filepath.Join(d.cfg.DataDir, keyfile.Name)); err != nil {
		return err
	}
	keys, err := keyfile.Open(d.cfg.DataDir)
	if err != nil {
		return err
	}
	books, err := bolt.OpenBooks(bolt.Options{Dir: d.cfg.DataDir})
	if err != nil {
		return err
	}
	o := identity.Options{Directory: books, Keys: keys, Host: d.cfg.Hostname}
	for _, s := range d.cfg.Sources {
		o.Sources = append(o.Sources, identity.Source{Address: s.Address, EHLO: s.EHLO})
	}
	book, err := identity.Open(ctx, o)
	if err == nil {
		d.records = book.HostRecords()
	}
	return errors.Join(err, books.Close())
}

func ok(check, format string, args ...any) Finding {
	return Finding{Check: check, Level: DoctorOK, What: fmt.Sprintf(format, args...)}
}

func warn(check, do, format string, args ...any) Finding {
	return Finding{Check: check, Level: DoctorWarn, What: fmt.Sprintf(format, args...), Do: do}
}

func fail(check, do, format string, args ...any) Finding {
	return Finding{Check: check, Level: DoctorFail, What: fmt.Sprintf(format, args...), Do: do}
}
