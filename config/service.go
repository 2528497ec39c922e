package config

import "net/url"

func (l *loader) service() {
	c := l.c.Service
	l.host("service.domain", c.Domain)
	l.host("service.feedback_host", c.FeedbackHost)
	if c.PublicURL == "" || l.wrong("service.public_url") {
		return
	}
	u, err := url.Parse(c.PublicURL)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil ||
		u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.Fragment != "" {
		l.fail("service.public_url", "%q is not the address of a web server without a path, such as \"https://mail.example.com\"", c.PublicURL)
	}
}
