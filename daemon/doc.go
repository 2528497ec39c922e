// Package daemon builds every room from a configuration, joins them where they
// must meet, starts them in order and stops them in reverse. It owns listeners,
// certificates, signals of health and the life of the process.
// It holds no mail logic: what it does is visible in the order of its calls.
package daemon
