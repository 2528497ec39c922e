package route

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sesame-mta/sesame/internal/memo"
	"github.com/sesame-mta/sesame/internal/resolver"
	"github.com/sesame-mta/sesame/mail"
)

// Bounds of a route.
const (
	// MaxHosts is the most hosts a route has: the most preferred.
	MaxHosts   = 16
	minExpires = time.Minute
	maxExpires = time.Hour
)

// DNS is what a Resolver asks; *resolver.Resolver is one. Its errors are read
// with resolver.KindOf.
type DNS interface {
	MX(ctx context.Context, domain string) ([]resolver.MX, resolver.Meta, error)
	Addrs(ctx context.Context, host string) ([]netip.Addr, error)
}

// Options are what a Resolver needs to know.
type Options struct {
	DNS DNS
	// Hostname is our own name, which in an MX list means a loop.
	Hostname string
	// OwnAddrs gives the addresses at which we listen, which mean the same. Nil:
	// addresses are not looked at. An address inside AllowNetworks never counts
	// as ours: the operator wants mail to go there.
	OwnAddrs func() []netip.Addr
	// Smarthost takes all mail when it is set. Its Port must be set.
	Smarthost *Host
	// AllowNetworks are the ranges in which address literals are accepted.
	AllowNetworks []netip.Prefix
	// Strict retries domains that do not exist, as SES does.
	Strict bool
	// MaxCache is how many routes are remembered; 0 is 50,000.
	MaxCache int
	Log      *slog.Logger
	Metrics  prometheus.Registerer
}

// Resolver finds routes by DNS and remembers them. It is safe for use by many
// goroutines.
type Resolver struct {
	o      Options
	routes *memo.Table[found]
	looked *prometheus.CounterVec
}

// found is a route, or why there is none.
type found struct {
	route *Route
	err   *mail.Reply
}

var _ Router = (*Resolver)(nil)

// New makes a Resolver.
func New(o Options) *Resolver {
	o.Hostname = strings.ToLower(strings.TrimSuffix(o.Hostname, "."))
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	r := &Resolver{
		o:      o,
		routes: memo.New[found](cmp.Or(o.MaxCache, 50000)),
		looked: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sesame_delivery_routes_total",
			Help: "Routes looked up, by what was found.",
		}, []string{"result"}),
	}
	if o.Metrics != nil {
		o.Metrics.MustRegister(r.looked)
	}
	return r
}

// Close ends the lookups under way and waits for them.
func (r *Resolver) Close() { r.routes.Close() }

// Route gives the hosts that take mail for a domain or address literal. The
// error is a *mail.Reply. The route is shared between callers: do not change it.
func (r *Resolver) Route(ctx context.Context, domain string) (*Route, error) {
	domain = strings.ToLower(strings.TrimSuffix(domain, "."))
	if r.o.Smarthost != nil {
		return r.smarthost(domain), nil
	}
	if strings.HasPrefix(domain, "[") {
		rt, reply := r.literal(domain)
		return rt, orNil(reply)
	}
	f, err := r.routes.Get(ctx, domain, func(ctx context.Context, _ *found) (found, time.Time) {
		rt, result, reply := r.find(ctx, domain)
		r.looked.WithLabelValues(result).Inc()
		if reply != nil {
			// Failures are remembered by the resolver, with their own TTLs.
			r.o.Log.Debug("domain had no route", "domain", domain,
				"code", reply.Code, "status", reply.Status, "text", reply.Text, "err", reply.Cause)
			return found{err: reply}, time.Time{}
		}
		return found{route: rt}, rt.Expires
	})
	if err != nil {
		return nil, unable(domain).WithCause(err)
	}
	return f.route, orNil(f.err)
}

// orNil keeps a nil *Reply from becoming an error that is not nil.
func orNil(r *mail.Reply) error {
	if r == nil {
		return nil
	}
	return r
}

func (r *Resolver) smarthost(domain string) *Route {
	h := *r.o.Smarthost
	return &Route{
		Domain:  domain,
		Site:    net.JoinHostPort(h.Name, strconv.Itoa(int(h.Port))),
		Hosts:   []Host{h},
		Trusted: true,
		Expires: time.Now().Add(maxExpires),
	}
}

// literal routes an address literal (RFC 5321 section 4.1.3), which is refused
// unless the operator has allowed its network.
func (r *Resolver) literal(domain string) (*Route, *mail.Reply) {
	text := strings.TrimSuffix(strings.TrimPrefix(domain, "["), "]")
	text = strings.TrimPrefix(text, "ipv6:")
	addr, err := netip.ParseAddr(text)
	if err != nil || !r.allowed(addr.Unmap()) {
		return nil, errLiteral
	}
	return &Route{
		Domain:  domain,
		Site:    domain,
		Hosts:   []Host{{Name: domain, Addr: addr.Unmap()}},
		Expires: time.Now().Add(maxExpires),
	}, nil
}

func (r *Resolver) allowed(addr netip.Addr) bool {
	return slices.ContainsFunc(r.o.AllowNetworks, func(p netip.Prefix) bool { return p.Contains(addr) })
}

// What a domain without a route gets. The texts of the first two are those of
// SES (spec section 6.3).
var (
	errInvalid = mail.Refuse(550, 4, 4, "Invalid domain")
	errNullMX  = mail.Refuse(556, 1, 10, "Recipient domain does not accept mail") // RFC 7505 section 4
	errLoop    = mail.Refuse(550, 4, 6, "Mail for this domain loops back to this host")
	errLiteral = mail.Refuse(550, 1, 2, "Address literals are not accepted as destination")
)

func unable(domain string) *mail.Reply {
	return mail.Refuse(421, 4, 0, "Unable to lookup DNS for "+domain)
}

// noSuch is the reply for a domain that has nothing to deliver to.
func (r *Resolver) noSuch(domain string, cause error) *mail.Reply {
	if r.o.Strict {
		return unable(domain).WithCause(cause)
	}
	return errInvalid.WithCause(cause)
}

var errUnusable = errors.New("no MX record names a usable host")

// find does the work of Route. The result is the metric's label.
func (r *Resolver) find(ctx context.Context, domain string) (*Route, string, *mail.Reply) {
	records, meta, err := r.o.DNS.MX(ctx, domain)
	implicit := false
	switch resolver.KindOf(err) {
	case 0:
	case resolver.NoData:
		// Without any MX the domain is its own (RFC 5321 section 5.1). That holds
		// only when the answer is known to be empty, and only for the name itself.
		if _, err := r.o.DNS.Addrs(ctx, domain); err != nil {
			return r.noAddress(domain, err)
		}
		records, implicit = []resolver.MX{{Host: domain}}, true
	case resolver.NotFound:
		return nil, "not_found", r.noSuch(domain, err)
	case resolver.BadName:
		return nil, "bad_name", errInvalid.WithCause(err)
	case resolver.Failed, resolver.Refused:
		return nil, "temporary", unable(domain).WithCause(err)
	default:
		return nil, "temporary", unable(domain).WithCause(err)
	}
	if len(records) == 1 && records[0].Host == "" {
		return nil, "null_mx", errNullMX
	}
	hosts := usable(records)
	if len(hosts) == 0 {
		return nil, "unusable", r.noSuch(domain, errUnusable)
	}
	if hosts = r.withoutUs(ctx, hosts); len(hosts) == 0 {
		return nil, "loop", errLoop
	}
	rt := &Route{Domain: domain, Site: site(hosts), Hosts: hosts, Expires: expires(meta)}
	if implicit {
		return rt, "implicit", nil
	}
	return rt, "mx", nil
}

// noAddress is the end of a domain without MX whose own address is missing too.
func (r *Resolver) noAddress(domain string, err error) (*Route, string, *mail.Reply) {
	if k := resolver.KindOf(err); k == resolver.NoData || k == resolver.NotFound {
		return nil, "not_found", r.noSuch(domain, err)
	}
	return nil, "temporary", unable(domain).WithCause(err)
}

// expires bounds the end of a route: short enough to follow a change, long
// enough that a TTL of zero does not make every attempt a lookup.
func expires(meta resolver.Meta) time.Time {
	now := time.Now()
	return now.Add(min(max(meta.Expires.Sub(now), minExpires), maxExpires))
}
