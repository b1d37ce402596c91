# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the pods of backup and restore run: python3 -m jobs COMMAND."""
