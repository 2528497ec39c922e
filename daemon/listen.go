package daemon

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"

	"github.com/sesame-mta/sesame/api/admin"
	"github.com/sesame-mta/sesame/config"
)

// listeners is everything that is bound. It is bound before root is given up
// and before the data directory is opened.
type listeners struct {
	starttls, implicit []net.Listener
	admin              net.Listener
	metrics, public    net.Listener
	api                net.Listener
}

func (d *Daemon) bind(ctx context.Context) error {
	var lc net.ListenConfig
	tcp := func(addr string) (net.Listener, error) {
		l, err := lc.Listen(ctx, "tcp", addr)
		if err != nil {
			return nil, fmt.Errorf("listen: %w", err)
		}
		d.onClose(l.Close)
		return l, nil
	}
	for _, set := range []struct {
		addrs []string
		into  *[]net.Listener
	}{{d.cfg.Listen.STARTTLS, &d.listeners.starttls}, {d.cfg.Listen.ImplicitTLS, &d.listeners.implicit}} {
		for _, addr := range set.addrs {
			l, err := tcp(addr)
			if err != nil {
				return err
			}
			*set.into = append(*set.into, l)
		}
	}
	apiAddr, _, _ := config.SplitAPI(d.cfg.Listen.API)
	for _, one := range []struct {
		addr string
		into *net.Listener
	}{{d.cfg.Listen.Metrics, &d.listeners.metrics}, {d.cfg.Listen.Public, &d.listeners.public}, {apiAddr, &d.listeners.api}} {
		if one.addr == "" {
			continue
		}
		l, err := tcp(one.addr)
		if err != nil {
			return err
		}
		*one.into = l
	}
	dir := filepath.Dir(d.cfg.Listen.Admin)
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return fmt.Errorf("admin socket: %w", err)
		}
		d.owned = append(d.owned, dir)
	}
	l, err := admin.Listen(ctx, d.cfg.Listen.Admin)
	if err != nil {
		return err
	}
	d.listeners.admin = l
	d.onClose(l.Close)
	return nil
}

// Addrs tells where the server listens, for tests and for sesame dev.
type Addrs struct {
	STARTTLS, ImplicitTLS []string
	Metrics, Admin        string
	Public                string
	API                   string // a URL
}

// Addrs gives the bound addresses.
func (d *Daemon) Addrs() Addrs {
	a := Addrs{Admin: d.cfg.Listen.Admin}
	for _, l := range d.listeners.starttls {
		a.STARTTLS = append(a.STARTTLS, l.Addr().String())
	}
	for _, l := range d.listeners.implicit {
		a.ImplicitTLS = append(a.ImplicitTLS, l.Addr().String())
	}
	if d.listeners.metrics != nil {
		a.Metrics = d.listeners.metrics.Addr().String()
	}
	if l := d.listeners.api; l != nil {
		scheme, _, _ := strings.Cut(d.cfg.Listen.API, "://")
		a.API = scheme + "://" + l.Addr().String()
	}
	if d.listeners.public != nil {
		a.Public = d.listeners.public.Addr().String()
	}
	return a
}
