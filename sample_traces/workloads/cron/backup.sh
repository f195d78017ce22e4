#!/bin/sh
# Copies a file that is not there: cp ends with status 1, and so does this.
cp orders.db /tmp/shop/backup.db
