package mta

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// Maildirs gives the lines of main.cf with which a Postfix keeps what comes for
// any user of the domains, but for nobody@, who does not exist there. Postfix.Mail
// reads it.
func Maildirs(domains string) string {
	return `
virtual_mailbox_domains = ` + domains + `
virtual_mailbox_base = $queue_directory/../mail
virtual_mailbox_maps = static:all/
virtual_uid_maps = static:65534
virtual_gid_maps = static:65534
virtual_minimum_uid = 100
smtpd_recipient_restrictions = check_recipient_access inline:{ {nobody@=550 5.1.1 No such user here} }, permit
`
}

// Mail gives the messages that came, as their files, when there are at least n;
// or what came with the reason when ctx ends before.
func (p *Postfix) Mail(ctx context.Context, n int) ([][]byte, error) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		files, err := filepath.Glob(filepath.Join(p.Dir, "mail", "all", "new", "*"))
		if err != nil {
			return nil, err
		}
		if len(files) >= n {
			return readAll(files)
		}
		select {
		case <-ctx.Done():
			mail, err := readAll(files)
			if err != nil {
				return nil, err
			}
			return mail, fmt.Errorf("%d of %d messages came: %w", len(files), n, ctx.Err())
		case <-tick.C:
		}
	}
}

func readAll(files []string) ([][]byte, error) {
	var mail [][]byte
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		mail = append(mail, b)
	}
	return mail, nil
}
