"""SQL that the figures of purchases share."""

from __future__ import annotations

KEPT_PURCHASE = "event_type = 'purchase' AND cancelled_at IS NULL"
ORDER_KEY = "coalesce(order_id, timestamp::VARCHAR)"  # without order ids a moment is an order
