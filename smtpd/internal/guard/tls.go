package guard

import (
	"crypto/tls"
	"time"
)

// handshake starts TLS. What was read in clear text is gone, and with it all
// that the client said (RFC 3207 section 4.2).
func (g *Conn) handshake() bool {
	g.r, g.w = 0, 0
	g.giveBack()
	g.helo, g.esmtp = "", false
	if g.cfg.TLS == nil {
		g.dead = true
		return false
	}
	_ = g.raw.SetDeadline(time.Now().Add(g.cfg.Limits.Handshake))
	c := g.cfg.TLS
	if g.kind.Open && g.cfg.OpenTLS != nil {
		c = g.cfg.OpenTLS
	}
	t := tls.Server(g.raw, c)
	if err := t.Handshake(); err != nil {
		g.cfg.Log.Info("TLS handshake failed", "source", g.client, "err", err)
		g.dead = true
		return false
	}
	state := t.ConnectionState()
	g.tls, g.rw = t, t
	g.version, g.cipher = versionName(state.Version), tls.CipherSuiteName(state.CipherSuite)
	return true
}

func versionName(v uint16) string {
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
