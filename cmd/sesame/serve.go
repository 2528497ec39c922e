package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/sesame-mta/sesame/config"
	"github.com/sesame-mta/sesame/daemon"
)

// serveCommand runs the server until SIGTERM or SIGINT; SIGHUP reads the
// certificate again.
func serveCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "serve",
		Short: "Run the server",
		Args:  a.needsFile,
		RunE: does(func(cmd *cobra.Command, _ []string) error {
			cfg, err := config.Load(a.configFile())
			if err != nil {
				return err
			}
			log := newLog(cmd.ErrOrStderr(), cfg.Log)
			if cfg.User == "" && os.Geteuid() == 0 {
				log.Warn("running as root; the key user in the configuration file names another")
			}
			return run(cmd.Context(), func(ctx context.Context) (*daemon.Daemon, error) {
				return daemon.New(ctx, daemon.Options{Config: cfg, Log: log, Version: version()})
			})
		}),
	}
}

// run makes a server and serves until a signal ends it. A second signal ends it
// at once. Signals are listened to from the start: a SIGHUP that comes early is
// kept until there is something to reload.
func run(ctx context.Context, build func(context.Context) (*daemon.Daemon, error)) error {
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	context.AfterFunc(ctx, stop)
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)
	d, err := build(ctx)
	if err != nil {
		return err
	}
	done := make(chan struct{})
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		for {
			select {
			case <-hup:
				d.Reload()
			case <-done:
				return
			}
		}
	}()
	err = d.Run(ctx)
	close(done)
	<-watched
	if cerr := d.Close(); err == nil {
		err = cerr
	}
	return err
}

func newLog(w io.Writer, l config.Log) *slog.Logger {
	o := &slog.HandlerOptions{Level: l.Level}
	if l.Format == "json" {
		return slog.New(slog.NewJSONHandler(w, o))
	}
	return slog.New(slog.NewTextHandler(w, o))
}

// ready prints a line as soon as there is something to say.
func ready(w io.Writer, format string, args ...any) {
	_, _ = fmt.Fprintf(w, format+"\n", args...)
}
