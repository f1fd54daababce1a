"""Turns orders into one invoice a customer and month, in a time zone and with exact sums.

Input: {"orders": [{"customer", "at": RFC 3339, "item", "quantity", "price": text or number}, …], "time_zone"?: IANA name}.
Result: {"invoices": [{"customer", "month", "due", "total", "lines"}, …]}.
"""
import sys
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from itertools import groupby
from zoneinfo import ZoneInfo

CENT = Decimal('0.01')
DAYS_TO_PAY = 30


def parsed(order, zone):
    at = datetime.fromisoformat(order['at'].replace('Z', '+00:00')).astimezone(zone)
    return {**order, 'at': at, 'price': Decimal(str(order['price'])), 'quantity': int(order['quantity'])}


def customer_and_month(order):
    return order['customer'].casefold(), order['at'].strftime('%Y-%m')


def invoice(month, orders):
    total = sum((order['price'] * order['quantity'] for order in orders), Decimal(0)).quantize(CENT, ROUND_HALF_UP)
    return {
        'customer': orders[0]['customer'],
        'month': month,
        'due': (orders[-1]['at'] + timedelta(days=DAYS_TO_PAY)).date().isoformat(),
        'total': str(total),
        'lines': [f"{order['quantity']} × {order['item']} ({order['at']:%a %d %b %Y, %H:%M %Z})" for order in orders],
    }


def agent(input):
    try:
        zone = ZoneInfo(input.get('time_zone', 'UTC'))
        orders = [parsed(order, zone) for order in input['orders']]
    except (AttributeError, KeyError, TypeError, ValueError, ArithmeticError) as error:
        print(f'The input cannot be read: {error!r}')
        sys.exit(65)
    orders.sort(key=lambda order: (*customer_and_month(order), order['at']))
    invoices = [invoice(month, list(group)) for (_, month), group in groupby(orders, customer_and_month)]
    print(f'{len(orders)} orders, {len(invoices)} invoices')
    return {'invoices': invoices}
