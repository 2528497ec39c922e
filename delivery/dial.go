package delivery

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"

	"github.com/sesame-mta/sesame/delivery/egress"
	"github.com/sesame-mta/sesame/delivery/route"
	"github.com/sesame-mta/sesame/delivery/smtpc"
	"github.com/sesame-mta/sesame/internal/resolver"
	"github.com/sesame-mta/sesame/mail"
)

// reach gives a connection to the host that is ready for mail, or nil, and then
// it has noted why.
func (a *attempt) reach(ctx context.Context, h route.Host, v4, v6 *egress.Source) *conn {
	addrs, err := a.addresses(ctx, h)
	if err != nil {
		a.note("addresses of %s: %v", h.Name, err)
		reply := noAddress(h.Name, err)
		if reply.Code/100 == 4 {
			a.tried++ // it took time, as a host that is down does
		}
		a.stand(mail.Outcome{Reply: reply})
		return nil
	}
	if a.j.Trace != nil {
		a.note("addresses of %s: %v", h.Name, addrs[:min(len(addrs), 10)])
	}
	if a.r.Trusted && v6 == nil {
		v6 = v4 // the operator's own word stands above the care for IPv6
	}
	var forbidden, why error
	n4, n6 := 0, 0
	for _, ip := range addrs {
		src, n := v4, &n4
		if ip.Is6() {
			src, n = v6, &n6
		}
		if *n == maxAddresses || ctx.Err() != nil {
			continue
		}
		if !a.r.Trusted {
			if err := a.s.guard.Check(ip); err != nil {
				if forbidden == nil { // once for a host, which may have a hundred
					a.s.log.Warn("address refused", "id", a.j.ID, "domain", a.r.Domain, "mx", h.Name, "err", err)
				}
				forbidden = err
				a.note("address left out: %v", err)
				continue
			}
		}
		if *n++; n4+n6 == 1 {
			a.tried++
		}
		if src == nil {
			why = cmp.Or(why, errFamily)
			continue
		}
		t := target{host: h.Name, addr: netip.AddrPortFrom(ip, cmp.Or(h.Port, a.s.o.Port)), source: src}
		c, answered, err := a.open(ctx, t, a.level())
		switch {
		case err == nil:
			return c
		case answered:
			return nil // the host has spoken, and it was noted
		}
		a.note("%v", err)
		why = err // another address of this host may answer
	}
	if why == nil && forbidden != nil {
		a.stand(mail.Outcome{Reply: *mail.Refuse(550, 4, 4, "Invalid domain").WithCause(forbidden)})
		return nil
	}
	why = cmp.Or(why, ctx.Err())
	a.s.metrics.failed.Inc()
	a.s.log.Debug("host not reached", "id", a.j.ID, "domain", a.r.Domain, "mx", h.Name, "err", why)
	a.stand(mail.Outcome{Reply: unreachable(why)})
	return nil
}

var errFamily = errors.New("no source for the address's family")

func unreachable(why error) mail.Reply {
	return *mail.Refuse(421, 4, 1, "Failed to establish connection").WithCause(why)
}

// addresses gives the addresses of a host, IPv4 first.
func (a *attempt) addresses(ctx context.Context, h route.Host) ([]netip.Addr, error) {
	if h.Addr.IsValid() {
		return []netip.Addr{h.Addr}, nil
	}
	addrs, err := a.s.o.Resolver.Addrs(ctx, h.Name)
	if err != nil {
		return nil, err
	}
	var list, v6 []netip.Addr
	for _, ip := range addrs {
		if ip.Is4() {
			list = append(list, ip)
		} else {
			v6 = append(v6, ip)
		}
	}
	return append(list, v6...), nil
}

// noAddress is the reply for a host whose addresses could not be had. That a
// host has none is permanent, everything else is not known to be.
func noAddress(host string, err error) mail.Reply {
	if kind := resolver.KindOf(err); kind == resolver.Failed || kind == resolver.Refused {
		return *mail.Refuse(421, 4, 0, "Unable to lookup DNS for "+host).WithCause(err)
	}
	return *mail.Refuse(550, 4, 4, "Invalid domain").WithCause(err)
}

// level is how much TLS a connection needs.
type level int

const (
	inClear       level = iota + 1
	opportunistic       // where it is offered and works
	required            // or nothing
	implicit            // from the first octet
)

// String says it for the trace.
func (l level) String() string {
	switch l {
	case inClear:
		return "off"
	case opportunistic:
		return "opportunistic"
	case required:
		return "required"
	case implicit:
		return "from the first octet"
	}
	return "unknown"
}

func (a *attempt) smarthost() *Smarthost {
	if a.r.Trusted {
		return a.s.o.Smarthost
	}
	return nil
}

func (a *attempt) level() level {
	if sh := a.smarthost(); sh != nil {
		switch sh.TLS {
		case ImplicitTLS:
			return implicit
		case StartTLS:
			return required
		case ClearText:
			if !a.j.RequireTLS {
				return inClear
			}
		}
	}
	if a.j.RequireTLS {
		return required
	}
	return opportunistic
}

// config gives the TLS configuration for a host.
func (a *attempt) config(host string) *tls.Config {
	cfg := a.s.tls.Clone()
	cfg.ServerName = host
	if sh := a.smarthost(); sh != nil && (sh.TLS == StartTLS || sh.TLS == ImplicitTLS) && !sh.AnyCertificate {
		cfg.InsecureSkipVerify = false
		cfg.RootCAs = sh.RootCAs
	}
	return cfg
}

// target is one address of one host, seen from one source.
type target struct {
	host   string
	addr   netip.AddrPort
	source *egress.Source
}

// open connects and goes through greeting, EHLO, TLS and AUTH. When TLS is not
// demanded and fails, it connects once more to the same address, in clear text
// (RFC 7435 section 3). If answered is set, the error has been noted.
func (a *attempt) open(ctx context.Context, t target, lv level) (c *conn, answered bool, err error) {
	if a.j.Trace != nil {
		a.note("connect to %s [%s], source %s, TLS %s", t.host, t.addr, cmp.Or(t.source.Name, anySource), lv)
	}
	nc, err := a.dial(ctx, t, lv == implicit)
	if err != nil {
		return nil, false, err
	}
	a.s.metrics.opened.Inc()
	client := smtpc.New(nc, a.clientOptions(t))
	client.Trace(a.j.Trace)
	c = &conn{
		client: client, key: a.key(t.source),
		host: t.host, addr: t.addr.String(), local: localAddr(nc), source: t.source,
	}
	again, err := a.prepare(ctx, c, lv)
	if again {
		a.note("TLS failed, once more in clear text: %v", err)
		a.s.metrics.fallbacks.Inc()
		a.s.log.Info("tls failed, trying in clear text", "id", a.j.ID, "domain", a.r.Domain, "mx", t.host, "err", err)
		if c, answered, err = a.open(ctx, t, inClear); c != nil {
			c.bare = true
		}
		return c, answered, err
	}
	if err != nil {
		a.note("given up: %v", err)
		client.Close()
		o := mail.Outcome{Host: c.host, Addr: c.addr, Source: t.source.Name, Local: text(c.local), TLS: c.tls}
		var failed *smtpc.Error
		var ours *mail.Reply
		switch {
		case errors.As(err, &failed):
			o.Reply, o.Remote = trim(failed.Reply), failed.Remote
		case errors.As(err, &ours):
			o.Reply = *ours
		}
		// A wrong password is the operator's to mend, not the message's fault.
		if errors.Is(err, errAuth) && !o.Reply.Temporary() {
			o.Reply.Code, o.Reply.Status.Class = 454, 4
		}
		a.stand(o)
		return nil, true, err
	}
	return c, true, nil
}

func (a *attempt) clientOptions(t target) smtpc.Options {
	o := smtpc.Options{
		Hostname: t.source.EHLO, Timeouts: a.s.o.Timeouts,
		Send8BitAnyway: a.s.o.Send8BitAnyway, Buffers: a.s.buffers,
		NoChunking: a.s.wary.of(t.host),
	}
	if sh := a.smarthost(); sh != nil {
		o.AuthInClear = sh.AuthInClear
	}
	return o
}

func (a *attempt) dial(ctx context.Context, t target, implicitTLS bool) (net.Conn, error) {
	d := net.Dialer{Timeout: a.s.o.ConnectTimeout, KeepAlive: -1}
	if t.source.Addr.IsValid() {
		d.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(t.source.Addr, 0))
	}
	nc, err := d.DialContext(ctx, "tcp", t.addr.String())
	if err != nil || !implicitTLS {
		return nc, err
	}
	ctx, cancel := context.WithTimeout(ctx, a.s.o.ConnectTimeout)
	defer cancel()
	tc := tls.Client(nc, a.config(t.host))
	if err := tc.HandshakeContext(ctx); err != nil {
		_ = nc.Close()
		return nil, err
	}
	return tc, nil
}

func localAddr(nc net.Conn) netip.Addr {
	a, err := netip.ParseAddrPort(nc.LocalAddr().String())
	if err != nil {
		return netip.Addr{}
	}
	return a.Addr().Unmap()
}

var (
	errNoTLS = errors.New("no STARTTLS offered")
	errAuth  = errors.New("not authenticated")
)

// prepare takes a new connection to the point where mail can be sent. If again
// is set, TLS was tried, failed, and may be left out.
func (a *attempt) prepare(ctx context.Context, c *conn, lv level) (again bool, err error) {
	if err := c.client.Greet(ctx); err != nil {
		return false, err
	}
	if err := c.client.Hello(ctx); err != nil {
		return false, err
	}
	offered := c.client.Extensions().StartTLS
	if lv == required && !offered {
		return false, needTLS(errNoTLS)
	}
	if offered && (lv == opportunistic || lv == required) {
		if again, err := a.startTLS(ctx, c, lv); err != nil {
			return again, err
		}
	}
	if state := c.client.TLS(); state != nil {
		c.tls = version(state.Version)
		if a.j.Trace != nil {
			a.j.Trace(smtpc.TraceNote, negotiated(c.tls, state))
		}
	}
	a.s.metrics.session(c.tls)
	if sh := a.smarthost(); sh != nil && sh.User != "" {
		if err := c.client.Auth(ctx, sh.User, sh.Password); err != nil {
			return false, errors.Join(errAuth, err)
		}
		a.note("authenticated")
	}
	return false, nil
}

func (a *attempt) startTLS(ctx context.Context, c *conn, lv level) (again bool, err error) {
	err = c.client.StartTLS(ctx, a.config(c.host))
	switch {
	case err == nil:
	case c.client.Usable() && lv == opportunistic:
		return false, nil // it refused, and talks on in clear text
	case c.client.Usable():
		// Our reply stands, since the host's may be permanent; it is the cause.
		return false, needTLS(errors.Unwrap(err))
	default:
		return lv == opportunistic && errors.Is(err, smtpc.ErrHandshake), err
	}
	// With TLS 1.3 a host may refuse the handshake after we thought it done.
	if err = c.client.Hello(ctx); err != nil {
		var failed *smtpc.Error
		return lv == opportunistic && errors.As(err, &failed) && !failed.Remote, err
	}
	return false, nil
}

// needTLS says that a message must not leave in clear text (RFC 3463 section
// 3.8: X.7.10 is RFC 5248's "Encryption Needed").
func needTLS(cause error) error {
	return mail.Refuse(451, 7, 10, "Encryption is required, and the remote host does not offer it").WithCause(cause)
}

// anySource names, for the trace, the source that has no name.
const anySource = "of the system's choice"

// negotiated says for the trace what a handshake came to.
func negotiated(version string, state *tls.ConnectionState) string {
	text := version + " " + tls.CipherSuiteName(state.CipherSuite)
	if len(state.PeerCertificates) > 0 {
		cert := state.PeerCertificates[0]
		text += fmt.Sprintf(", certificate of %q by %q", cert.Subject.CommonName, cert.Issuer.CommonName)
	}
	if len(state.VerifiedChains) > 0 {
		return text + ", verified"
	}
	return text + ", not verified"
}

// version gives the name of a TLS version as Received fields and logs have it.
func version(v uint16) string {
	switch v {
	case tls.VersionTLS10:
		return "TLSv1"
	case tls.VersionTLS11:
		return "TLSv1.1"
	case tls.VersionTLS12:
		return "TLSv1.2"
	case tls.VersionTLS13:
		return "TLSv1.3"
	}
	return "TLS"
}
