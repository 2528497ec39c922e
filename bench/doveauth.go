package main

import (
	"bufio"
	"fmt"
	"net"
	"strings"
	"sync"
)

// approver speaks Dovecot's authentication protocol and lets everybody in, so that
// a Postfix offers AUTH at the least cost.
type approver struct {
	l  net.Listener
	wg sync.WaitGroup

	mu    sync.Mutex
	conns []net.Conn
}

func startApprover() (*approver, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	a := &approver{l: l}
	a.wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			a.mu.Lock()
			a.conns = append(a.conns, c)
			a.mu.Unlock()
			a.wg.Go(func() { approve(c) })
		}
	})
	return a, nil
}

func approve(c net.Conn) {
	defer c.Close()
	_, err := fmt.Fprintf(c, "VERSION\t1\t1\nMECH\tPLAIN\tplaintext\nSPID\t1\nCUID\t1\nCOOKIE\t%032d\nDONE\n", 1)
	lines := bufio.NewScanner(c)
	for err == nil && lines.Scan() {
		if f := strings.Split(lines.Text(), "\t"); f[0] == "AUTH" && len(f) > 1 {
			_, err = fmt.Fprintf(c, "OK\t%s\tuser=bench\n", f[1])
		}
	}
}

func (a *approver) close() {
	_ = a.l.Close() // nothing is lost
	a.mu.Lock()
	for _, c := range a.conns {
		_ = c.Close() // likewise
	}
	a.mu.Unlock()
	a.wg.Wait()
}
