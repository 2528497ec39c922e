package api

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// Bounds of a connection.
const (
	headerTime = 30 * time.Second
	idleTime   = 2 * time.Minute
	maxHeader  = 64 << 10 // octets; a presigned request has its parameters there
)

// Serve serves h on l, with TLS unless conf is nil, until ctx ends, and then lets
// calls finish for a while. It speaks HTTP/1.1 only, as SES does.
func Serve(ctx context.Context, l net.Listener, conf *tls.Config, h http.Handler, grace time.Duration, log *slog.Logger) error {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	s := &http.Server{
		Handler: h, ReadHeaderTimeout: headerTime, IdleTimeout: idleTime, MaxHeaderBytes: maxHeader,
		Protocols: protocols, TLSConfig: conf, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	stopped := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(stopped)
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
		defer cancel()
		if s.Shutdown(end) != nil {
			_ = s.Close() // whoever has not finished by now is cut off
		}
	})
	var err error
	if conf != nil {
		err = s.ServeTLS(l, "", "")
	} else {
		err = s.Serve(l)
	}
	if !stop() {
		<-stopped
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// tlsName gives version and cipher as people write them.
func tlsName(s *tls.ConnectionState) (version, cipher string) {
	switch s.Version {
	case tls.VersionTLS10:
		version = "TLSv1.0"
	case tls.VersionTLS11:
		version = "TLSv1.1"
	case tls.VersionTLS12:
		version = "TLSv1.2"
	case tls.VersionTLS13:
		version = "TLSv1.3"
	}
	return version, tls.CipherSuiteName(s.CipherSuite)
}
